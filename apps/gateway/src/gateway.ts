import { createNode, type Node } from "@cm/node";
import {
  CmError,
  encodeServerFrame,
  encodeUtf8,
  type LocalDelivery,
  type OnError,
  SUBPROTOCOL,
  toCmError,
} from "@cm/protocol";
import type { Gap } from "@cm/router";
import { createUwsServer, type HttpReply, type UpgradeRequest, type UwsServer } from "@cm/server-uws";
import type { GatewayConfig } from "./config/gateway-config.js";
import { createControlHandler } from "./control.js";
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
  let tellDrainAsked: () => void = () => undefined;
  const drainAsked = new Promise<void>((resolve) => {
    tellDrainAsked = resolve;
  });
  const page = await readPage();

  // The router needs sockets to deliver to, the server needs the router to serve: the
  // server is made last and reached through this door.
  let server: UwsServer<SessionHolder> | undefined;
  let address: { readonly host: string; readonly port: number } | undefined;
  const connection = (id: string) => server?.connection(id);
  const drain = (): Promise<void> => node.drain({ overMs: config.drainMs });
  const beginDrain = (): void => {
    if (node.phase === "starting") throw new CmError("unavailable", "The gateway is still starting.");
    drain().catch((cause: unknown) => onError(toCmError(cause, "internal", "Draining failed."), { stage: "handler" }));
    tellDrainAsked();
  };
  const local: LocalDelivery = {
    toRoom: (room, frame, except) => server?.toRoom(room, frame, except),
    // By way of the sessions: a connection is open before it can be reached.
    toConnection: (id, frame) => connection(id)?.data.session?.deliver(frame) ?? false,
    toUser: (userId, frame) =>
      server?.connectionsOf(userId).filter(({ data }) => data.session?.deliver(frame) === true).length ?? 0,
  };
  const statistics = () => ({
    serverId: node.serverId,
    phase: node.phase,
    ...node.membership.stats(),
    ...node.router.stats(),
    link: node.store.link.status(),
    transport: server?.stats(),
  });
  const node = createNode({
    redisUrl: config.redisUrl,
    prefix: config.redisUrl === undefined ? undefined : config.redisPrefix,
    serverId: config.serverId,
    host: config.serverHost,
    port: config.port,
    capacity: config.maxConnections,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    leaseTtlMs: config.leaseTtlMs,
    connectionTtlMs: config.connectionTtlMs,
    lastSeenTtlMs: config.lastSeenTtlMs,
    offlineGraceMs: config.offlineGraceMs,
    staleConnectionTimeoutMs: config.staleConnectionTimeoutMs,
    cleanupIntervalMs: config.cleanupIntervalMs,
    local,
    parts: [
      {
        start: async () => {
          address = await server?.start();
        },
        drain: async (options) => server?.drain({ overMs: options.overMs ?? config.drainMs }),
        close: async () => server?.close(),
      },
    ],
    onControl: createControlHandler(connection, beginDrain),
    onQuestion: createQuestionHandler(statistics),
    isRecoverable: (room) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)),
    onGap: createGapHandler(local, onError),
    lastSeenOf: (id) => connection(id)?.lastSeenAt,
    onStale: (id) => connection(id)?.close("stale"),
    onDrift: (repair) => log.warn({ repair }, "store drifted from local state; repaired"),
    onError,
  });
  server = createServer(config, { node, statistics, failures, page });
  const endLinkLog = logLink(node.store.link, log);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= node.close().finally(() => {
      endLinkLog();
      failures.flush();
    });
    return closing;
  };
  // Redis may be long in coming: nobody who wants to stop has to wait for it.
  const giveUp = (): void => void close();
  stop.addEventListener("abort", giveUp, { once: true });
  try {
    stop.throwIfAborted();
    await node.start();
    stop.throwIfAborted();
    if (address === undefined) throw new CmError("internal", "The server started without an address.");
    return { ...address, expelled: node.expelled, drainAsked, drain, close };
  } catch (error) {
    await close();
    stop.throwIfAborted();
    throw error;
  } finally {
    stop.removeEventListener("abort", giveUp);
  }
}

/** Tells of what was lost between servers: the log, and the members of the room. */
function createGapHandler(local: LocalDelivery, onError: OnError): (gap: Gap) => void {
  return ({ room, known }) => {
    if (known !== undefined) {
      const details = { room, ...known };
      onError(new CmError("unavailable", "Messages were lost between servers.", { details }), { stage: "delivery" });
    }
    if (room === undefined) return;
    const frame = encodeServerFrame({ type: "gap", room, ...(known === undefined ? {} : { missed: known.missed }) });
    local.toRoom(room, encodeUtf8(frame), []);
  };
}

interface ServerParts {
  readonly node: Node;
  readonly page: Awaited<ReturnType<typeof readPage>>;
  readonly statistics: () => unknown;
  readonly failures: FailureLog;
}

function createServer(config: GatewayConfig, parts: ServerParts): UwsServer<SessionHolder> {
  const { node, failures } = parts;
  const { membership, router, store } = node;
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
    maxFrameBytes: config.maxFrameBytes,
    maxBackpressureBytes: config.maxBackpressureBytes,
    idleTimeoutMs: config.idleTimeoutMs,
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

function routes({ node, page, statistics }: ServerParts): Record<string, () => HttpReply> {
  const json = (status: number, body: unknown): HttpReply => ({
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    body: JSON.stringify(body),
  });
  return {
    ...Object.fromEntries(page.map(({ path, body, headers }) => [path, () => ({ status: 200, headers, body })])),
    "/healthz": () => json(200, { status: "ok" }),
    "/readyz": () => {
      const state = node.readiness();
      return json(state.ready ? 200 : 503, state);
    },
    "/stats": () => json(200, statistics()),
  };
}
