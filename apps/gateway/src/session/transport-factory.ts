import type { Node } from "@cm/node";
import { CmError, isCmError, SUBPROTOCOL } from "@cm/protocol";
import { createUwsServer } from "@cm/server-uws";
import { createWsServer } from "@cm/server-ws";
import { createFaultCounter, type TransportOptions, type TransportServer } from "@cm/transport";
import type { Measurements } from "../admin/measurements.js";
import type { RevocationList } from "../auth/revocation-list.js";
import { requireSuccessor } from "../auth/token-succession.js";
import type { GatewayUser, ResolvedGatewayOptions } from "../gateway-options.js";
import type { gatewayRoutes } from "../http/gateway-routes.js";
import { slowReadersOf } from "../limits/slow-reader-policy.js";
import type { FailureLog } from "../log/failure-log.js";
import { chooseTransport, WITHOUT_NATIVE } from "../transport-choice.js";
import { ClientSession, type SessionContext } from "./client-session.js";
import { ClosingHooks } from "./closing-hooks.js";
import { HookRunner } from "./hooks.js";
import { PacedRegistrations } from "./paced-registrations.js";
import { PacedTasks } from "./paced-tasks.js";
import { PageCursors } from "./rooms/page-cursors.js";
import { PAGES_AT_ONCE } from "./rooms/room-requests.js";
import { Semaphore } from "./semaphore.js";
import { UserConnectionLimit } from "./user-connection-limit.js";

/**
 * Maximum number of registrations and memberships of closed connections that are removed from the store at a time:
 * those of one connection in 99 rooms, or of 50 connections in one room each.
 */
const REMOVALS_AT_ONCE_MAX = 100;

/** The `data` of a transport connection. It gets its session after the upgrade. */
export interface SessionHolder {
  session?: ClientSession;
  /** The result of `authenticate`. */
  readonly user: GatewayUser;
}

/** The parts of the gateway that its sessions use. */
export type ServerParts = Pick<SessionContext, "fanOut" | "reached" | "refused" | "chargeRoom" | "chargeUser"> & {
  readonly sessions: Set<ClientSession>;
  readonly revocations: RevocationList;
  readonly measurements: Measurements;
};

/** Creates the server that clients connect to, with a session for each connection. */
export function createClientTransport(
  config: ResolvedGatewayOptions,
  { serverId, membership, presence, router, store }: Node,
  routes: ReturnType<typeof gatewayRoutes>["table"],
  failures: FailureLog,
  { sessions, revocations, measurements, ...shared }: ServerParts,
): TransportServer<SessionHolder> {
  const faults = createFaultCounter();
  const onFault = (error: unknown): void => failures.report(error, "request");
  const { refresh } = config;
  const took = (name: string, ms: number): void => measurements.hookTook(name, ms);
  const { hookTimeoutMs, maxPendingHooks } = config;
  const hookLimits = { timeoutMs: hookTimeoutMs, maxPending: maxPendingHooks, reached: shared.reached };
  const createRunner = () => new HookRunner("hook", hookLimits, onFault, took);
  const hookRunner = createRunner();
  const countRefusal = (error: unknown): never => {
    if (!isCmError(error)) throw error;
    const { code, details } = error;
    if (code === "unauthorized" || code === "forbidden") measurements.tokenRefused(details?.reason);
    if (code === "unavailable" || code === "timeout") measurements.tokenRefused("unavailable");
    throw error;
  };
  const noteRefusal = (error: unknown): never => {
    // The client is only told to come back later; the operator needs the cause, such as a key server that is down.
    if (isCmError(error) && error.code === "unavailable" && error.cause !== undefined) onFault(error);
    return countRefusal(error);
  };
  const unlessRevoked = (user: GatewayUser): GatewayUser => {
    if (!revocations.isRevoked(user)) return user;
    throw new CmError("unauthorized", "The credentials were revoked.", { details: { reason: "revoked" } });
  };
  const recovery = {
    // The number of messages that a history keeps by default.
    maxMessages: 1_000,
    // Keep well below the limit for slow readers, so that a client that is sent this much is not treated as
    // one.
    maxBytes: Math.floor(config.maxBackpressureBytes / 2),
  };
  const context: SessionContext = {
    ...shared,
    serverId: config.showServerIds ? serverId : undefined,
    membership,
    presence,
    router,
    rooms: store.rooms,
    limits: {
      maxFrameBytes: config.maxFrameBytes,
      maxRooms: config.maxRooms,
      maxRequestsPerSecond: config.maxRequestsPerSecond,
      idleTimeoutMs: config.idleTimeoutMs,
      maxRecoveredMessages: recovery.maxMessages,
      maxRecoveredBytes: recovery.maxBytes,
    },
    maxBytesPerSecond: config.maxBytesPerSecond,
    maxUnreadBytes: Math.floor(config.maxBackpressureBytes / 4),
    userLimit: new UserConnectionLimit({
      policy: config.connectionsPerUserPolicy,
      maxConnectionsPerUser: config.maxConnectionsPerUser,
      membership: new PacedRegistrations(membership, () => config.clock.monotonicMs()),
      store,
      router,
      limits: shared.reached,
    }),
    removals: new PacedTasks(REMOVALS_AT_ONCE_MAX),
    // Use a separate runner, so that many connections that close at once do not use up the limit of the requests'
    // hooks.
    closingHooks: new ClosingHooks(createRunner(), maxPendingHooks, onFault),
    cursors: new PageCursors(),
    pageReads: new Semaphore(PAGES_AT_ONCE.server),
    recovery,
    faults,
    hooks: config.hooks,
    hookRunner,
    refresh:
      refresh &&
      ((token, present) =>
        hookRunner
          .run("refresh", () => refresh(token))
          .then((user) => {
            requireSuccessor(user, present);
            return unlessRevoked(user);
          })
          // The session reports the cause.
          .catch(countRefusal)),
    credentialTimes: { warningMs: config.tokenWarningMs, graceMs: config.tokenGraceMs },
    now: () => config.clock.now(),
    monotonicMs: () => config.clock.monotonicMs(),
    onFault,
  };
  const options: TransportOptions<SessionHolder> = {
    host: config.listenHost,
    port: config.port,
    subprotocols: [SUBPROTOCOL],
    allowedOrigins: config.allowedOrigins,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    maxUpgradesPerSecondPerAddress: config.maxUpgradesPerSecondPerAddress,
    maxPendingUpgrades: config.maxPendingUpgrades,
    authenticationTimeoutMs: config.authenticationTimeoutMs,
    trustedProxies: config.trustedProxies,
    maxHeadBytes: config.maxHeadBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxControlFramesPerSecond: config.maxControlFramesPerSecond,
    maxBackpressureBytes: config.maxBackpressureBytes,
    maxTotalBackpressureBytes: config.maxTotalBackpressureBytes,
    slowReaders: slowReadersOf(config),
    roomWindowMs: config.roomWindowMs,
    idleTimeoutMs: config.idleTimeoutMs,
    pingIntervalMs: config.pingIntervalMs,
    authenticate: (request, signal) => {
      let user: ReturnType<typeof config.authenticate>;
      try {
        user = config.authenticate(request, signal);
        // If the user is known without a promise, return the result in the same turn.
        if (!(user instanceof Promise)) return holderOf(unlessRevoked(user));
      } catch (error) {
        return noteRefusal(error);
      }
      const beganAt = performance.now();
      return user
        .finally(() => took("authenticate", performance.now() - beganAt))
        .then((late) => holderOf(unlessRevoked(late)))
        .catch(noteRefusal);
    },
    nextConnectionId: () => membership.nextConnectionId(),
    handler: {
      open: (connection) => {
        const session = new ClientSession(context, connection, connection.data.user);
        connection.data.session = session;
        sessions.add(session);
        // A revocation may have arrived after the token was checked.
        session.closeIf((user) => revocations.isRevoked(user));
      },
      frame: (connection, text) => connection.data.session?.onText(text),
      binary: (connection) => {
        connection.data.session?.onUnreadable(new CmError("frame-not-text", "A frame must be JSON text."));
      },
      closed: ({ data: { session } }, code, reason) => {
        if (session === undefined) return;
        sessions.delete(session);
        session.onClosed(code, reason);
      },
    },
    routes,
    faults,
    onError: (error, { stage }) => failures.report(error, stage),
  };
  const transport = chooseTransport(config.transport, config.sharePort);
  if (transport !== config.transport && transport === "ws") config.logger.warn({}, WITHOUT_NATIVE);
  return transport === "ws" ? createWsServer(options) : createUwsServer({ ...options, sharePort: config.sharePort });
}

function holderOf(user: GatewayUser) {
  return { userId: user.userId, data: { user } };
}
