import { createMembership, type Membership } from "@cm/membership";
import { createMemoryStore } from "@cm/memory-store";
import {
  CmError,
  createConnectionIdSource,
  encodeServerFrame,
  encodeUtf8,
  type LocalDelivery,
  type OnError,
  type Store,
  SUBPROTOCOL,
  toCmError,
} from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { createRouter, type Router, type RouterOptions } from "@cm/router";
import {
  createFaultCounter,
  createUwsServer,
  type HttpReply,
  type UpgradeRequest,
  type UwsConnection,
  type UwsServer,
} from "@cm/server-uws";
import type { GatewayConfig } from "./config/gateway-config.js";
import { createControlHandler } from "./control.js";
import { type HealthSources, type Phase, readiness } from "./http/health.js";
import { readPage } from "./http/static-files.js";
import { userOf } from "./http/user-query.js";
import { createFailureLog, type FailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import type { Logger } from "./log/log.js";
import { createQuestionHandler } from "./questions.js";
import { ClientSession, type SessionContext } from "./session/client-session.js";

/** A running gateway. */
export interface Gateway {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /**
   * Settles when this server has no place in the cluster any more: its lease ran out and
   * another process took its id. Whoever runs the gateway closes it then.
   */
  readonly expelled: Promise<CmError>;
  /** Settles when another server asked this one to drain, which has begun then. Close it afterwards. */
  readonly drainAsked: Promise<void>;
  /**
   * Not ready from now on: refuses newcomers and sends the clients elsewhere over
   * `drainMs`, serving each until its turn. Resolves when all were told; `close` ends it.
   * Idempotent.
   */
  drain(): Promise<void>;
  /** Stops accepting, closes every connection, withdraws from the store. Idempotent. */
  close(): Promise<void>;
}

/** What a connection carries from the upgrade on. */
interface SessionHolder {
  session?: ClientSession;
}

/**
 * Puts a gateway together and starts it. A start that fails unwinds what it had begun,
 * and throws what went wrong: `port-in-use`, `server-id-taken`, `layout-mismatch`,
 * `unavailable`, `options-invalid` or `native-load-failed`; or the reason of `stop` where
 * that was aborted in the meantime.
 */
export async function startGateway(
  config: GatewayConfig,
  log: Logger,
  stop: AbortSignal = new AbortController().signal,
): Promise<Gateway> {
  const failures = createFailureLog(log);
  const onError: OnError = (error, { stage }) => failures.report(error, stage);
  let phase: Phase = "starting";
  const releasers: (() => Promise<void>)[] = [async () => failures.flush()];
  let expel: (error: CmError) => void = () => undefined;
  const expelled = new Promise<CmError>((resolve) => {
    expel = resolve;
  });
  let tellDrainAsked: () => void = () => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    tellDrainAsked = resolve;
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    phase = "closing";
    closing ??= unwind(releasers, log);
    return closing;
  };

  try {
    const store = createStore(config, onError);
    releasers.push(() => store.close());
    const endLinkLog = logLink(store.link, log);
    releasers.push(async () => endLinkLog());
    await startStore(store, stop);

    // The router needs sockets to deliver to, the server needs the router to serve: the
    // server is made last and reached through this door.
    let server: UwsServer<SessionHolder> | undefined;
    const local: LocalDelivery = {
      toRoom: (room, frame, except) => server?.toRoom(room, frame, except),
      // By way of the sessions: a connection is open before it can be reached.
      toConnection: (id, frame) => server?.connection(id)?.data.session?.deliver(frame) ?? false,
      toUser: (userId, frame) =>
        server?.connectionsOf(userId).filter(({ data }) => data.session?.deliver(frame) === true).length ?? 0,
    };
    const drain = async (): Promise<void> => {
      if (phase === "serving") phase = "draining";
      await server?.drain({ overMs: config.drainMs });
    };
    const beginDrain = (): void => {
      if (phase === "starting") throw new CmError("unavailable", "The gateway is still starting.");
      drain().catch((cause: unknown) =>
        onError(toCmError(cause, "internal", "Draining failed."), { stage: "handler" }),
      );
      tellDrainAsked();
    };
    const onControl = createControlHandler((id) => server?.connection(id), beginDrain);
    const onQuestion = createQuestionHandler(() => statistics());
    const router = createGatewayRouter(config, store, local, { onControl, onQuestion }, onError);
    const membership = createGatewayMembership(config, store, router, {
      log,
      onError,
      onLeaseTaken: expel,
      connection: (id) => server?.connection(id),
    });
    const health: HealthSources = {
      phase: () => phase,
      holdsLease: () => membership.holdsLease,
      fault: () => membership.fault,
      link: () => store.link.status(),
    };
    const statistics = () => ({
      serverId: membership.serverId,
      phase: health.phase(),
      ...membership.stats(),
      ...router.stats(),
      link: health.link(),
      transport: server?.stats(),
    });
    server = createServer(config, {
      router,
      membership,
      store,
      health,
      statistics,
      failures,
      page: await readPage(),
    });

    releasers.push(() => router.close());
    await router.start();
    stop.throwIfAborted();
    releasers.push(() => membership.shutdown());
    await membership.start();
    stop.throwIfAborted();
    releasers.push(() => server?.close() ?? Promise.resolve());
    const address = await server.start();
    stop.throwIfAborted();
    phase = "serving";
    return { ...address, expelled, drainAsked, drain, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createStore(config: GatewayConfig, onError: OnError): Store {
  if (config.redisUrl === undefined) return createMemoryStore({ lastSeenTtlMs: config.lastSeenTtlMs });
  return createRedisStore({
    url: config.redisUrl,
    prefix: config.redisPrefix,
    connectionTtlMs: config.connectionTtlMs,
    lastSeenTtlMs: config.lastSeenTtlMs,
    onError,
  });
}

/** Redis may be long in coming: nobody who wants to stop has to wait for it. */
async function startStore(store: Store, stop: AbortSignal): Promise<void> {
  stop.throwIfAborted();
  const giveUp = (): void => {
    // Closed once more when the start is unwound, where a failure is heard.
    store.close().catch(() => undefined);
  };
  stop.addEventListener("abort", giveUp, { once: true });
  try {
    await store.start();
  } catch (error) {
    stop.throwIfAborted();
    throw error;
  } finally {
    stop.removeEventListener("abort", giveUp);
  }
  stop.throwIfAborted();
}

function createGatewayRouter(
  config: GatewayConfig,
  store: Store,
  local: LocalDelivery,
  handlers: Required<Pick<RouterOptions, "onControl" | "onQuestion">>,
  onError: OnError,
): Router {
  return createRouter({
    serverId: config.serverId,
    bus: store.bus,
    users: store.users,
    servers: store.servers,
    local,
    ...handlers,
    onError,
    history: store.history,
    isRecoverable: (room) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)),
    onGap: ({ room, known }) => {
      if (known !== undefined) {
        const details = { room, ...known };
        onError(new CmError("unavailable", "Messages were lost between servers.", { details }), { stage: "delivery" });
      }
      if (room === undefined) return;
      const frame = encodeServerFrame({ type: "gap", room, ...(known === undefined ? {} : { missed: known.missed }) });
      local.toRoom(room, encodeUtf8(frame), []);
    },
  });
}

interface MembershipSurroundings {
  readonly log: Logger;
  readonly onError: OnError;
  readonly onLeaseTaken: (error: CmError) => void;
  readonly connection: (id: string) => UwsConnection<SessionHolder> | undefined;
}

function createGatewayMembership(
  config: GatewayConfig,
  store: Store,
  router: Router,
  { log, onError, onLeaseTaken, connection }: MembershipSurroundings,
): Membership {
  return createMembership({
    ids: createConnectionIdSource({ serverId: config.serverId, capacity: config.maxConnections }),
    store,
    interest: router,
    host: config.serverHost,
    port: config.port,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    leaseTtlMs: config.leaseTtlMs,
    connectionTtlMs: config.connectionTtlMs,
    offlineGraceMs: config.offlineGraceMs,
    staleConnectionTimeoutMs: config.staleConnectionTimeoutMs,
    cleanupIntervalMs: config.cleanupIntervalMs,
    lastSeenOf: (id) => connection(id)?.lastSeenAt,
    onLeaseTaken,
    onStale: (id) => connection(id)?.close("stale"),
    onDrift: (repair) => log.warn({ repair }, "store drifted from local state; repaired"),
    onServersLost: (ids) => {
      for (const id of ids) router.serverLost(id);
    },
    onError,
  });
}

interface ServerParts {
  readonly router: Router;
  readonly membership: Membership;
  readonly store: Store;
  readonly health: HealthSources;
  readonly page: Awaited<ReturnType<typeof readPage>>;
  readonly statistics: () => unknown;
  readonly failures: FailureLog;
}

function createServer(config: GatewayConfig, parts: ServerParts): UwsServer<SessionHolder> {
  const { membership, router, store, failures } = parts;
  const faults = createFaultCounter();
  const context: SessionContext = {
    serverId: config.serverId,
    membership,
    router,
    rooms: store.rooms,
    limits: {
      maxFrameBytes: config.maxFrameBytes,
      maxRooms: config.maxRooms,
      maxRequestsPerSecond: config.maxRequestsPerSecond,
      idleTimeoutMs: config.idleTimeoutMs,
    },
    recovery: {
      // As many as a history keeps by default.
      maxMessages: 1_000,
      // More would be taken for a client that does not read.
      maxBytes: Math.floor(config.maxBackpressureBytes / 2),
    },
    faults,
    monotonicMs: () => performance.now(),
    onFault: (error) => failures.report(error, "request"),
  };
  return createUwsServer<SessionHolder>({
    host: config.listenHost,
    port: config.port,
    subprotocols: [SUBPROTOCOL],
    allowedOrigins: config.allowedOrigins,
    sharePort: config.workers > 1,
    maxConnections: config.maxConnections,
    maxHeadBytes: config.maxHeadBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxBackpressureBytes: config.maxBackpressureBytes,
    idleTimeoutMs: config.idleTimeoutMs,
    pingIntervalMs: config.pingIntervalMs,
    authenticate: trustQueryUser,
    nextConnectionId: () => membership.nextConnectionId(),
    handler: {
      open: (connection) => {
        connection.data.session = new ClientSession(context, connection);
      },
      frame: (connection, text) => connection.data.session?.onText(text),
      binary: (connection) => {
        connection.data.session?.onUnreadable(new CmError("frame-not-text", "Frames are JSON text."));
      },
      closed: (connection) => connection.data.session?.onClosed(),
    },
    routes: routes(parts),
    faults,
    onError: (error, { stage }) => failures.report(error, stage),
  });
}

/**
 * Takes every user at their word: `?user=name`. Whoever runs the gateway for more than
 * a trial puts something in front that knows the user, or another hook here.
 */
function trustQueryUser(request: UpgradeRequest): { userId: string; data: SessionHolder } {
  return { userId: userOf(request.query), data: {} };
}

function routes({ health, page, statistics }: ServerParts): Record<string, () => HttpReply> {
  const json = (status: number, body: unknown): HttpReply => ({
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    body: JSON.stringify(body),
  });
  return {
    ...Object.fromEntries(page.map(({ path, body, headers }) => [path, () => ({ status: 200, headers, body })])),
    "/healthz": () => json(200, { status: "ok" }),
    "/readyz": () => {
      const state = readiness(health);
      return json(state.ready ? 200 : 503, state);
    },
    "/stats": () => json(200, statistics()),
  };
}

/** Ends what was begun, the last first. A failure is logged and does not keep the others from ending. */
async function unwind(releasers: readonly (() => Promise<void>)[], log: Logger): Promise<void> {
  for (const release of [...releasers].reverse()) {
    try {
      await release();
    } catch (error) {
      log.error({ err: error }, "closing a part failed");
    }
  }
}
