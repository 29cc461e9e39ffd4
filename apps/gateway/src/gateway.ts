import { createNode, type Node } from "@cm/node";
import { CmError, connectionIdsOf, type LocalDelivery, type OnError, SUBPROTOCOL, toCmError } from "@cm/protocol";
import type { Gap } from "@cm/router";
import { createUwsServer } from "@cm/server-uws";
import { createWsServer } from "@cm/server-ws";
import { createFaultCounter, type ListeningAddress, type TransportOptions, type TransportServer } from "@cm/transport";
import { adminRoutes } from "./admin/admin-routes.js";
import { createMetrics, type MetricSources, type Metrics } from "./admin/metrics.js";
import { concerns, type Revocation, Revocations } from "./auth/revocations.js";
import { createControlHandler } from "./control.js";
import { GapNotices } from "./gap-notices.js";
import {
  type GatewayOptions,
  type GatewayUser,
  type ResolvedGatewayOptions,
  resolveGatewayOptions,
} from "./gateway-options.js";
import { gatewayRoutes } from "./http/gateway-routes.js";
import { createHttpListener, type HttpListener } from "./http/http-listener.js";
import { AudienceSizes } from "./limits/audience-sizes.js";
import { FanOutBudget } from "./limits/fan-out-budget.js";
import { LimitCounter } from "./limits/limit-counter.js";
import { slowReadersOf } from "./limits/slow-reader-policy.js";
import { createFailureLog, type FailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import { createQuestionHandler, readRevocationAnswer, revocationQuestion } from "./questions.js";
import { ClientSession, type SessionContext } from "./session/client-session.js";
import { HookRunner } from "./session/hooks.js";
import { PacedCloses } from "./session/paced-closes.js";
import { PageCursors } from "./session/rooms/page-cursors.js";
import { UserPlaces } from "./session/user-places.js";
import { chooseTransport, WITHOUT_NATIVE } from "./transport-choice.js";

/** A gateway within an application. */
export interface Gateway {
  /** Store, router, membership and presence of this gateway, for the application's own use. */
  readonly node: Node;
  /**
   * Settles when this server has no place in the cluster any more: its lease ran out and
   * another process took its id. The gateway closes by itself then.
   */
  readonly expelled: Promise<CmError>;
  /** Settles when another server asked this one to drain, which has begun then. Close it afterwards. */
  readonly drainAsked: Promise<void>;
  /**
   * Starts everything and listens, once however often it is called. A start that fails
   * unwinds what it had begun, and fails with `port-in-use`, `server-id-taken`,
   * `layout-mismatch`, `unavailable` or `native-load-failed`; or with `closed` where the
   * gateway was closed in the meantime. It can't be started again then.
   */
  start(): Promise<ListeningAddress>;
  /**
   * Not ready from now on: refuses newcomers and sends the clients elsewhere over
   * `drainMs`, serving each until its turn. Resolves when all were told; `close` ends it.
   * Idempotent. Fails with `unavailable` before the gateway serves.
   */
  drain(): Promise<void>;
  /**
   * Has every gateway of the cluster close the connections of a user, or those that came
   * with a token, and refuse the user's tokens so far, or that token, for a day. A gateway that
   * starts later has not heard of it. Fails with `unavailable` or `timeout` where the other
   * gateways can't be asked; the revocation then holds on this one.
   */
  revoke(revocation: Revocation): Promise<RevocationOutcome>;
  /** Stops accepting, closes every connection, withdraws from the store. Idempotent; never fails. */
  close(): Promise<void>;
  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How far a revocation came. */
export interface RevocationOutcome {
  /** Connections that were closed. */
  readonly closed: number;
  /** Ids of living servers that did not say that they took it. */
  readonly missing: readonly string[];
}

/** What a connection carries from the upgrade on. */
interface SessionHolder {
  session?: ClientSession;
  /** What `authenticate` said. */
  readonly user: GatewayUser;
}

/** How long a revocation waits for the other gateways, in milliseconds. */
const REVOKE_TIMEOUT_MS = 5_000;

/** Puts a gateway together; nothing is touched until `start`. Throws `options-invalid`. */
export function createGateway(options: GatewayOptions): Gateway {
  const config = resolveGatewayOptions(options);
  const { logger } = config;
  const failures = createFailureLog(logger);
  const onError: OnError = (error, { stage }) => failures.report(error, stage);
  let tellDrainAsked: () => void = () => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    tellDrainAsked = resolve;
  });

  // The router needs sockets to deliver to, the server needs the router to serve: the
  // server is made last and reached through this door.
  let server: TransportServer<SessionHolder> | undefined;
  let address: ListeningAddress | undefined;
  const connection = (id: string) => server?.connection(id);
  const drain = (): Promise<void> => node.drain({ overMs: config.drainMs });
  const beginDrain = (): void => {
    if (node.phase === "starting") throw new CmError("unavailable", "The gateway is still starting.");
    drain().catch((cause: unknown) => onError(toCmError(cause, "internal", "Draining failed."), { stage: "handler" }));
    tellDrainAsked();
  };
  const limits = new LimitCounter();
  const fanOut = new FanOutBudget({
    perSecond: config.maxFanoutPerSecond,
    serverPercent: config.maxFanoutPercent,
    limits,
    monotonicMs: () => config.clock.monotonicMs(),
  });
  const local: LocalDelivery = {
    toRoom: (room, frame, except) => {
      if (server === undefined) return;
      fanOut.delivering(server.membersOf(room));
      server.toRoom(room, frame, except);
    },
    // By way of the sessions: a connection is open before it can be reached.
    toConnection: (id, frame) => connection(id)?.data.session?.deliver(frame) ?? false,
    toUser: (userId, frame) => {
      const connections = server?.connectionsOf(userId) ?? [];
      fanOut.delivering(connections.length);
      return connections.filter(({ data }) => data.session?.deliver(frame) === true).length;
    },
  };
  const statistics = () => ({
    serverId: node.serverId,
    phase: node.phase,
    ...node.membership.stats(),
    ...node.router.stats(),
    link: node.store.link.status(),
    transport: server?.stats(),
    places: placesOf(node, config),
    limits: limits.counts(),
    ...(logger.droppedLines === undefined ? {} : { log: { droppedLines: logger.droppedLines() } }),
  });
  // Looked through for each revocation, which is rare.
  const sessions = new Set<ClientSession>();
  const revocations = new Revocations(() => config.clock.now());
  const revokeHere = (revocation: Revocation): number => {
    revocations.add(revocation);
    let closed = 0;
    for (const session of sessions) if (session.closeIf((user) => concerns(revocation, user))) closed++;
    return closed;
  };
  const revoke = async (revocation: Revocation): Promise<RevocationOutcome> => {
    const question = revocationQuestion(revocation);
    const closed = revokeHere(revocation);
    const { answers, missing } = await node.router.ask(question, { timeoutMs: REVOKE_TIMEOUT_MS });
    const elsewhere = [...answers.values()].map(readRevocationAnswer);
    return { closed: elsewhere.reduce((sum, count) => sum + count, closed), missing };
  };
  const node = createNode({
    store: config.store,
    redisUrl: config.redisUrl,
    prefix: config.redisUrl === undefined ? undefined : config.redisPrefix,
    serverId: config.serverId,
    host: config.serverHost,
    port: config.port,
    capacity: config.maxConnections,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    leaseTtlMs: config.leaseTtlMs,
    deadAfterMs: config.deadAfterMs,
    connectionTtlMs: config.connectionTtlMs,
    lastSeenTtlMs: config.lastSeenTtlMs,
    offlineGraceMs: config.offlineGraceMs,
    maxConnectionsPerUser: config.maxConnectionsPerUser,
    maxMemberships: config.maxMemberships,
    maxRooms: config.maxServerRooms,
    staleConnectionTimeoutMs: config.staleConnectionTimeoutMs,
    cleanupIntervalMs: config.cleanupIntervalMs,
    maxSequencers: config.maxSequencers,
    now: () => config.clock.now(),
    local,
    parts: [
      {
        start: async () => {
          await routes.load();
          address = await server?.start();
        },
        drain: async ({ overMs = config.drainMs }) => server?.drain({ overMs }),
        close: async () => server?.close(),
      },
    ],
    onControl: createControlHandler(connection, beginDrain),
    onQuestion: createQuestionHandler({ statistics, revoke: revokeHere }),
    isRecoverable: (room) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)),
    onGap: createGapHandler((room, missed) => server?.tellGap(room, missed), onError),
    lastSeenOf: (id) => connection(id)?.lastSeenAt,
    onStale: (id) => connection(id)?.close("stale"),
    onRestored: async () =>
      logger.warn({}, "the lease or the data in the store may have been lost; all was written anew"),
    onDrift: (repair) => logger.warn({ repair }, "store drifted from local state; repaired"),
    onError,
  });
  const routes = gatewayRoutes({
    node,
    statistics,
    hasPage: config.page,
    hasStats: config.publicStats,
    more: config.routes,
  });
  const monotonicMs = (): number => config.clock.monotonicMs();
  const roomSizes = new AudienceSizes((room) => node.store.rooms.count(room), monotonicMs);
  const userSizes = new AudienceSizes(
    async (user) => (await connectionIdsOf(node.store.users, user)).length,
    monotonicMs,
  );
  server = createServer(config, node, routes.table, failures, {
    sessions,
    revocations,
    fanOut,
    reached: limits,
    audienceOfRoom: (room) => roomSizes.of(room, server?.membersOf(room) ?? 0),
    audienceOfUser: (userId) => userSizes.of(userId, server?.countOf(userId) ?? 0),
  });

  const admin = createAdmin(config, node, {
    statistics,
    transport: () => server?.stats(),
    limits: () => limits.counts(),
    revoke,
    onError,
  });
  let endLinkLog: () => void = () => undefined;
  let starting: Promise<ListeningAddress> | undefined;
  const start = async (): Promise<ListeningAddress> => {
    endLinkLog = logLink(node.store.link, logger);
    try {
      // First, so that it says that the gateway lives, and not yet serves, while the store is long in coming.
      const adminAddress = await admin?.start();
      if (adminAddress !== undefined) {
        const { host, port } = adminAddress;
        logger.info({ adminHost: host, adminPort: port }, "the port for operators listens");
      }
      await node.start();
      if (address === undefined) throw new CmError("internal", "The server started without an address.");
      return address;
    } catch (error) {
      await close();
      throw error;
    }
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= node.close().then(async () => {
      await admin?.close();
      endLinkLog();
      failures.flush();
    });
    return closing;
  };
  return {
    node,
    expelled: node.expelled,
    drainAsked,
    start: () => {
      if (closing !== undefined) return Promise.reject(new CmError("closed", "The gateway was closed."));
      starting ??= start();
      return starting;
    },
    drain,
    revoke,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** How near the joins are to what the server has memory for. */
function placesOf({ membership }: Node, { maxMemberships, maxServerRooms }: ResolvedGatewayOptions) {
  const { memberships, rooms } = membership.stats();
  return { memberships, maxMemberships, rooms, maxRooms: maxServerRooms };
}

/** The listener for operators, where one is wanted. */
function createAdmin(
  config: ResolvedGatewayOptions,
  node: Node,
  sources: Pick<Gateway, "revoke"> & {
    readonly statistics: () => unknown;
    readonly transport: MetricSources["transport"];
    readonly limits: MetricSources["limits"];
    readonly onError: OnError;
  },
): HttpListener | undefined {
  const { admin, logger } = config;
  if (admin === undefined) return undefined;
  const { statistics, transport, limits, revoke, onError } = sources;
  let metrics: Metrics | undefined;
  const droppedLogLines = () => logger.droppedLines?.() ?? 0;
  const routes = adminRoutes({
    readiness: () => node.readiness(),
    statistics,
    // Not before it is asked for: measuring the event loop costs a timer.
    metrics: () => {
      metrics ??= createMetrics({ node, transport, limits, droppedLogLines, most: config });
      return metrics;
    },
    revoke,
  });
  return createHttpListener({ ...admin, routes, onError });
}

/** Tells of what was lost between servers: the log, and the members of the room. */
function createGapHandler(tell: TransportServer["tellGap"], onError: OnError): (gap: Gap) => void {
  const notices = new GapNotices(tell);
  return ({ room, known }) => {
    if (known !== undefined) {
      const details = { room, ...known };
      onError(new CmError("unavailable", "Messages were lost between servers.", { details }), { stage: "delivery" });
    }
    if (room !== undefined) notices.add(room, known);
  };
}

/** What the sessions share with the gateway. */
type ServerParts = Pick<SessionContext, "fanOut" | "reached" | "audienceOfRoom" | "audienceOfUser"> & {
  readonly sessions: Set<ClientSession>;
  readonly revocations: Revocations;
};

function createServer(
  config: ResolvedGatewayOptions,
  { serverId, membership, router, store }: Node,
  routes: ReturnType<typeof gatewayRoutes>["table"],
  failures: FailureLog,
  { sessions, revocations, ...shared }: ServerParts,
): TransportServer<SessionHolder> {
  const faults = createFaultCounter();
  const onFault = (error: unknown): void => failures.report(error, "request");
  const { refresh } = config;
  const hookRunner = new HookRunner(config.hookTimeoutMs, config.maxPendingHooks, onFault);
  const unlessRevoked = (user: GatewayUser): GatewayUser => {
    if (!revocations.isRevoked(user)) return user;
    throw new CmError("unauthorized", "The credentials were revoked.", { details: { reason: "revoked" } });
  };
  const recovery = {
    // As many as a history keeps by default.
    maxMessages: 1_000,
    // More would be taken for a client that does not read.
    maxBytes: Math.floor(config.maxBackpressureBytes / 2),
  };
  const context: SessionContext = {
    ...shared,
    serverId: config.showServerIds ? serverId : undefined,
    membership,
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
    maxUnreadBytes: Math.floor(config.maxBackpressureBytes / 4),
    userPlaces: new UserPlaces({
      policy: config.connectionsPerUserPolicy,
      maxConnectionsPerUser: config.maxConnectionsPerUser,
      membership,
      store,
      router,
      limits: shared.reached,
    }),
    closes: new PacedCloses(),
    cursors: new PageCursors(),
    recovery,
    faults,
    hooks: config.hooks,
    hookRunner,
    refresh: refresh && (async (token) => unlessRevoked(await hookRunner.run(() => refresh(token)))),
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
    trustedProxies: config.trustedProxies,
    maxHeadBytes: config.maxHeadBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxBackpressureBytes: config.maxBackpressureBytes,
    maxTotalBackpressureBytes: config.maxTotalBackpressureBytes,
    slowReaders: slowReadersOf(config),
    roomWindowMs: config.roomWindowMs,
    idleTimeoutMs: config.idleTimeoutMs,
    pingIntervalMs: config.pingIntervalMs,
    authenticate: (request, signal) => {
      const user = config.authenticate(request, signal);
      // The same turn where there is nothing to wait for.
      return user instanceof Promise
        ? user.then((late) => holderOf(unlessRevoked(late)))
        : holderOf(unlessRevoked(user));
    },
    nextConnectionId: () => membership.nextConnectionId(),
    handler: {
      open: (connection) => {
        const session = new ClientSession(context, connection, connection.data.user);
        connection.data.session = session;
        sessions.add(session);
        // It may have come between the look at the token and now.
        session.closeIf((user) => revocations.isRevoked(user));
      },
      frame: (connection, text) => connection.data.session?.onText(text),
      binary: (connection) => {
        connection.data.session?.onUnreadable(new CmError("frame-not-text", "Frames are JSON text."));
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
