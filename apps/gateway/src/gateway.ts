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
import { createFaultCounter, createUwsServer, type ListeningAddress, type UwsServer } from "@cm/server-uws";
import { createControlHandler } from "./control.js";
import { GapNotices } from "./gap-notices.js";
import { type GatewayOptions, type ResolvedGatewayOptions, resolveGatewayOptions } from "./gateway-options.js";
import { gatewayRoutes } from "./http/gateway-routes.js";
import { createFailureLog, type FailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import { createQuestionHandler } from "./questions.js";
import { ClientSession, type SessionContext } from "./session/client-session.js";

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
  /** Stops accepting, closes every connection, withdraws from the store. Idempotent; never fails. */
  close(): Promise<void>;
  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a connection carries from the upgrade on. */
interface SessionHolder {
  session?: ClientSession;
  /** What `authenticate` said beside the user. */
  readonly data: unknown;
}

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
  let server: UwsServer<SessionHolder> | undefined;
  let address: ListeningAddress | undefined;
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
    store: config.store,
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
    onQuestion: createQuestionHandler(statistics),
    isRecoverable: (room) => config.recoverableRooms.some((prefix) => room.startsWith(prefix)),
    onGap: createGapHandler(local, onError),
    lastSeenOf: (id) => connection(id)?.lastSeenAt,
    onStale: (id) => connection(id)?.close("stale"),
    onDrift: (repair) => logger.warn({ repair }, "store drifted from local state; repaired"),
    onError,
  });
  const routes = gatewayRoutes({ node, statistics, hasPage: config.page, more: config.routes });
  server = createServer(config, node, routes.table, failures);

  let endLinkLog: () => void = () => undefined;
  let starting: Promise<ListeningAddress> | undefined;
  const start = async (): Promise<ListeningAddress> => {
    endLinkLog = logLink(node.store.link, logger);
    try {
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
    closing ??= node.close().then(() => {
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
      starting ??= start();
      return starting;
    },
    drain,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Tells of what was lost between servers: the log, and the members of the room. */
function createGapHandler(local: LocalDelivery, onError: OnError): (gap: Gap) => void {
  const notices = new GapNotices((room, missed) => {
    const frame = encodeServerFrame({ type: "gap", room, ...(missed === undefined ? {} : { missed }) });
    local.toRoom(room, encodeUtf8(frame), []);
  });
  return ({ room, known }) => {
    if (known !== undefined) {
      const details = { room, ...known };
      onError(new CmError("unavailable", "Messages were lost between servers.", { details }), { stage: "delivery" });
    }
    if (room !== undefined) notices.add(room, known);
  };
}

function createServer(
  config: ResolvedGatewayOptions,
  { serverId, membership, router, store }: Node,
  routes: ReturnType<typeof gatewayRoutes>["table"],
  failures: FailureLog,
): UwsServer<SessionHolder> {
  const faults = createFaultCounter();
  const context: SessionContext = {
    serverId,
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
    hooks: config.hooks,
    hookTimeoutMs: config.hookTimeoutMs,
    monotonicMs: () => config.clock.monotonicMs(),
    onFault: (error) => failures.report(error, "request"),
  };
  return createUwsServer<SessionHolder>({
    host: config.listenHost,
    port: config.port,
    subprotocols: [SUBPROTOCOL],
    allowedOrigins: config.allowedOrigins,
    sharePort: config.sharePort,
    maxConnections: config.maxConnections,
    maxHeadBytes: config.maxHeadBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxBackpressureBytes: config.maxBackpressureBytes,
    idleTimeoutMs: config.idleTimeoutMs,
    pingIntervalMs: config.pingIntervalMs,
    authenticate: (request, signal) => {
      const user = config.authenticate(request, signal);
      // The same turn where there is nothing to wait for.
      return user instanceof Promise ? user.then(holderOf) : holderOf(user);
    },
    nextConnectionId: () => membership.nextConnectionId(),
    handler: {
      open: (connection) => {
        connection.data.session = new ClientSession(context, connection, connection.data.data);
      },
      frame: (connection, text) => connection.data.session?.onText(text),
      binary: (connection) => {
        connection.data.session?.onUnreadable(new CmError("frame-not-text", "Frames are JSON text."));
      },
      closed: (connection, code, reason) => connection.data.session?.onClosed(code, reason),
    },
    routes,
    faults,
    onError: (error, { stage }) => failures.report(error, stage),
  });
}

function holderOf({ userId, data }: { readonly userId: string; readonly data?: unknown }) {
  return { userId, data: { data } };
}
