import { createNode, type Node } from "@cm/node";
import { CmError, connectionIdsOf, type LocalDelivery, type OnError, toCmError } from "@cm/protocol";
import { createFaultCounter, type ListeningAddress, type TransportServer } from "@cm/transport";
import { createAdminListener } from "./admin/admin-listener.js";
import { RecordedMetrics } from "./admin/recorded-metrics.js";
import { concerns, type Revocation, RevocationList } from "./auth/revocation-list.js";
import { createControlHandler } from "./control-handler.js";
import { createGapHandler } from "./gap-notices.js";
import { type GatewayOptions, type ResolvedGatewayOptions, resolveGatewayOptions } from "./gateway-options.js";
import { createQuestionHandler, readRevocationAnswer, revocationQuestion } from "./gateway-questions.js";
import { gatewayRoutes } from "./http/gateway-routes.js";
import { AudienceSizes } from "./limits/audience-sizes.js";
import { FanOutBudget } from "./limits/fan-out-budget.js";
import { LimitCounter } from "./limits/limit-counter.js";
import { limitsReached } from "./limits/limits-reached.js";
import { createFailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import type { ClientSession } from "./session/client-session.js";
import { HookRunner } from "./session/hooks.js";
import { PacedDeliveries } from "./session/paced-deliveries.js";
import { createClientTransport, type SessionHolder } from "./session/transport-factory.js";

/** A gateway embedded in an application. */
export interface Gateway {
  /** The gateway's store, router, membership and presence, for use by the application. */
  readonly node: Node;
  /**
   * Resolves when this server has lost its place in the cluster: its lease expired and another process took its
   * id. The gateway then closes by itself.
   */
  readonly expelled: Promise<CmError>;
  /**
   * Resolves when another server has requested a drain. The drain has already begun at that time; await
   * `drain`, then call `close`.
   */
  readonly drainAsked: Promise<void>;
  /**
   * Starts all parts and listens; further calls return the same promise. If the start fails, it stops all parts
   * that it has started, and rejects with `port-in-use`, `server-id-taken`, `layout-mismatch`, `unavailable` or
   * `native-load-failed`, or with `closed` if `close` was called before the start was complete. After that the
   * gateway can't be started again.
   */
  start(): Promise<ListeningAddress>;
  /**
   * Makes the gateway not ready: it refuses new connections and closes the open ones with `going-away`, spread
   * over `drainMs`; each client is served until its connection is closed. Resolves once all of them have been
   * closed; call `close` afterwards. Idempotent. Rejects with `unavailable` if the gateway does not serve yet.
   */
  drain(): Promise<void>;
  /**
   * Revokes all tokens issued to a user so far, or a single token: closes the connections made with them on
   * every gateway of the cluster, and refuses the revoked tokens for a day. A gateway that starts later does
   * not know of the revocation. Rejects with `unavailable` or `timeout` if the other gateways can't be reached;
   * the revocation is then in force on this gateway only.
   */
  revoke(revocation: Revocation): Promise<RevocationOutcome>;
  /** Stops accepting connections, closes all connections and withdraws from the store. Idempotent; never rejects. */
  close(): Promise<void>;
  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The result of a revocation. */
export interface RevocationOutcome {
  /** Number of connections that were closed. */
  readonly closed: number;
  /** Ids of live servers that did not confirm the revocation. */
  readonly missing: readonly string[];
}

/** How long a revocation waits for the other gateways, in milliseconds. */
const REVOKE_TIMEOUT_MS = 5_000;

/** Creates a gateway. Nothing happens before `start`. Throws `options-invalid` if an option is invalid. */
export function createGateway(options: GatewayOptions): Gateway {
  const config = resolveGatewayOptions(options);
  const { logger } = config;
  const failures = createFailureLog(logger);
  const onError: OnError = (error, { stage }) => failures.report(error, stage);
  let resolveDrainAsked: () => void = () => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    resolveDrainAsked = resolve;
  });

  // The router needs the server to deliver to its sockets, and the server needs the router. Therefore the
  // server is created last, and the router accesses it through this variable.
  let server: TransportServer<SessionHolder> | undefined;
  let address: ListeningAddress | undefined;
  const connection = (id: string) => server?.connection(id);
  const drain = (): Promise<void> => node.drain({ overMs: config.drainMs });
  const beginDrain = (): void => {
    if (node.phase === "starting") throw new CmError("unavailable", "The gateway is still starting.");
    drain().catch((cause: unknown) => onError(toCmError(cause, "internal", "Draining failed."), { stage: "handler" }));
    resolveDrainAsked();
  };
  const limits = new LimitCounter();
  const refused = createFaultCounter();
  const recorded = new RecordedMetrics();
  const fanOut = new FanOutBudget({
    perSecond: config.maxFanoutPerSecond,
    serverPercent: config.maxFanoutPercent,
    limits,
    monotonicMs: () => config.clock.monotonicMs(),
  });
  const userDeliveries = new PacedDeliveries((count) => fanOut.delivering(count));
  const local: LocalDelivery = {
    toRoom: (room, frame, except) => {
      if (server === undefined) return;
      const members = server.membersOf(room);
      recorded.receivers.room.record(members);
      if (fanOut.isLimited) fanOut.delivering(members);
      server.toRoom(room, frame, except);
    },
    // Deliver through the session, which keeps direct messages until the connection is registered: the socket
    // is open earlier than that.
    toConnection: (id, frame) => connection(id)?.data.session?.deliver(frame) ?? false,
    toUser: (userId, frame) => {
      const connections = server?.connectionsOf(userId) ?? [];
      recorded.receivers.user.record(connections.length);
      const sessions = connections.flatMap(({ data }) => (data.session === undefined ? [] : [data.session]));
      return userDeliveries.deliver(sessions, frame);
    },
  };
  const statistics = () => ({
    serverId: node.serverId,
    phase: node.phase,
    ...node.membership.stats(),
    ...node.router.stats(),
    link: node.store.link.status(),
    transport: server?.stats(),
    capacity: capacityOf(node, config),
    limits: limits.counts(),
    ...(logger.droppedLines === undefined ? {} : { log: { droppedLines: logger.droppedLines() } }),
  });
  // A plain set is enough: each revocation iterates over all sessions, but revocations are rare.
  const sessions = new Set<ClientSession>();
  const revocations = new RevocationList(() => config.clock.now());
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
    // A store of the application already has this setting.
    ...(config.store === undefined ? { lastSeenTtlMs: config.lastSeenTtlMs } : {}),
    ...(config.redisUrl === undefined ? {} : { redisUrl: config.redisUrl, prefix: config.redisPrefix }),
    serverId: config.serverId,
    host: config.serverHost,
    port: config.port,
    capacity: config.maxConnections,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    leaseTtlMs: config.leaseTtlMs,
    deadAfterMs: config.deadAfterMs,
    connectionTtlMs: config.connectionTtlMs,
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
    // Omit this option if no room is recoverable, because a store of the application may not keep histories.
    ...(config.recoverableRooms.length === 0
      ? {}
      : { isRecoverable: (room: string) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)) }),
    onGap: createGapHandler((room, missed) => server?.notifyGap(room, missed), onError),
    lastSeenOf: (id) => connection(id)?.lastSeenAt,
    onStale: (id) => connection(id)?.close("stale"),
    onRestored: async () =>
      logger.warn({}, "the lease or the store's data may have been lost; all connections were projected again"),
    onDrift: (repair) => logger.warn({ repair }, "store drifted from local state; repaired"),
    onError,
  });
  const routes = gatewayRoutes({
    node,
    statistics,
    hasPage: config.page,
    hasStats: config.publicStats,
    more: config.routes,
    // Use a separate runner with its own limit, so that slow routes do not use up the limit of the hooks.
    runner: new HookRunner(
      "route",
      { timeoutMs: config.hookTimeoutMs, maxPending: config.maxPendingHooks, reached: limits },
      (error) => failures.report(error, "request"),
    ),
  });
  const monotonicMs = (): number => config.clock.monotonicMs();
  const roomSizes = new AudienceSizes((room) => node.store.rooms.count(room), monotonicMs);
  const userSizes = new AudienceSizes(
    async (user) => (await connectionIdsOf(node.store.users, user)).length,
    monotonicMs,
  );
  server = createClientTransport(config, node, routes.table, failures, {
    sessions,
    revocations,
    recorded,
    fanOut,
    reached: limits,
    refused,
    chargeRoom: (account, room) => {
      if (fanOut.isLimited) roomSizes.charge(account, room, server?.membersOf(room) ?? 0);
    },
    chargeUser: (account, userId, atLeast) => {
      if (fanOut.isLimited) userSizes.charge(account, userId, Math.max(atLeast, server?.countOf(userId) ?? 0));
    },
  });

  const admin = createAdminListener(config, node, {
    statistics,
    transport: () => server?.stats(),
    limits: () => limitsReached(limits.counts(), server?.stats()),
    requestsRefused: () => refused.counts(),
    recorded,
    revoke,
    onError,
  });
  let endLinkLog: () => void = () => undefined;
  let starting: Promise<ListeningAddress> | undefined;
  const start = async (): Promise<ListeningAddress> => {
    endLinkLog = logLink(node.store.link, logger);
    try {
      // Start the operators' port first, so that it reports the gateway as alive but not ready while the store
      // is not available yet.
      const adminAddress = await admin?.start();
      if (adminAddress !== undefined) {
        const { host, port } = adminAddress;
        logger.info({ adminHost: host, adminPort: port }, "the admin port is listening");
      }
      await node.start();
      if (address === undefined) throw new CmError("internal", "The server started without a listening address.");
      return address;
    } catch (error) {
      await close();
      throw error;
    }
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= node.close().then(async () => {
      userDeliveries.close();
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

/** Returns the numbers of memberships and rooms of this server, with their limits. */
function capacityOf({ membership }: Node, { maxMemberships, maxServerRooms }: ResolvedGatewayOptions) {
  const { memberships, rooms } = membership.stats();
  return { memberships, maxMemberships, rooms, maxRooms: maxServerRooms };
}
