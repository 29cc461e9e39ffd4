import { createNode, type Node } from "@cm/node";
import { CmError, connectionIdsOf, type LocalDelivery, type OnError, toCmError } from "@cm/protocol";
import type { ListeningAddress, TransportServer } from "@cm/transport";
import { createAdminListener } from "./admin/admin-listener.js";
import { concerns, type Revocation, Revocations } from "./auth/revocations.js";
import { createControlHandler } from "./control.js";
import { createGapHandler } from "./gap-notices.js";
import { type GatewayOptions, type ResolvedGatewayOptions, resolveGatewayOptions } from "./gateway-options.js";
import { gatewayRoutes } from "./http/gateway-routes.js";
import { AudienceSizes } from "./limits/audience-sizes.js";
import { FanOutBudget } from "./limits/fan-out-budget.js";
import { LimitCounter } from "./limits/limit-counter.js";
import { createFailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import { createQuestionHandler, readRevocationAnswer, revocationQuestion } from "./questions.js";
import type { ClientSession } from "./session/client-session.js";
import { HookRunner } from "./session/hooks.js";
import { createSessionTransport, type SessionHolder } from "./session/session-transport.js";

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
    ...(config.redisUrl === undefined ? {} : { redisUrl: config.redisUrl, prefix: config.redisPrefix }),
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
    // A store of the application's own may have no history, where no room needs one.
    ...(config.recoverableRooms.length === 0
      ? {}
      : { isRecoverable: (room: string) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)) }),
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
    // Apart from the hooks, so that slow routes leave them their places.
    runner: new HookRunner("route", config.hookTimeoutMs, config.maxPendingHooks, (error) =>
      failures.report(error, "request"),
    ),
  });
  const monotonicMs = (): number => config.clock.monotonicMs();
  const roomSizes = new AudienceSizes((room) => node.store.rooms.count(room), monotonicMs);
  const userSizes = new AudienceSizes(
    async (user) => (await connectionIdsOf(node.store.users, user)).length,
    monotonicMs,
  );
  server = createSessionTransport(config, node, routes.table, failures, {
    sessions,
    revocations,
    fanOut,
    reached: limits,
    audienceOfRoom: (room) => roomSizes.of(room, server?.membersOf(room) ?? 0),
    audienceOfUser: (userId) => userSizes.of(userId, server?.countOf(userId) ?? 0),
  });

  const admin = createAdminListener(config, node, {
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
