import { createNode, type Node, type NodeOptions } from "@cm/node";
import { renaming } from "@cm/protocol/options";
import type { ResolvedGatewayOptions } from "./gateway-options.js";

/** The names of the node's options that have another name in `createGateway`, with that name. */
const OPTION_NAMES = {
  prefix: "redisPrefix",
  host: "serverHost",
  capacity: "maxConnections",
  maxRooms: "maxServerRooms",
};

/** Maximum time that a message to a busy room waits for others on its way to Redis, in milliseconds. */
const PUBLISH_WINDOW_MS = 3;

/** The options of the node that connect it with the other parts of the gateway. */
export type NodeConnections = Pick<
  NodeOptions,
  "local" | "parts" | "onControl" | "onQuestion" | "onGap" | "lastSeenOf" | "onStale" | "onError"
>;

/** Creates the gateway's node. Throws `options-invalid`; the error names the option of the gateway. */
export function createGatewayNode(config: ResolvedGatewayOptions, connections: NodeConnections): Node {
  const { logger, clock, recoverableRooms } = config;
  return renaming(OPTION_NAMES, () =>
    createNode({
      ...storeOf(config),
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
      now: () => clock.now(),
      // Omit this option if no room is recoverable, because a store of the application may not keep histories.
      ...(recoverableRooms.length === 0
        ? {}
        : { isRecoverable: (room: string) => recoverableRooms.some((prefix) => room.startsWith(prefix)) }),
      onRestored: async () =>
        logger.warn({}, "the lease or the store's data may have been lost; all connections were projected again"),
      onDrift: (repair) => logger.warn({ repair }, "store drifted from local state; repaired"),
      ...connections,
    }),
  );
}

/** The options of the node's store: a store of the application already has all of its settings. */
function storeOf(config: ResolvedGatewayOptions) {
  const { store, redisUrl, redisPrefix, lastSeenTtlMs } = config;
  if (store !== undefined) return { store };
  const publishWindowMs = publishWindowOf(config);
  return { ...(redisUrl === undefined ? {} : { redisUrl }), prefix: redisPrefix, lastSeenTtlMs, publishWindowMs };
}

/** Returns a function that limits how long a room's messages wait on their way to Redis, by the window of the room. */
function publishWindowOf({ roomWindowMs, roomWindows }: ResolvedGatewayOptions): (room: string) => number {
  return (room) => {
    const windowMs = roomWindows.find(({ prefix }) => room.startsWith(prefix))?.windowMs ?? roomWindowMs;
    return windowMs === "auto" ? PUBLISH_WINDOW_MS : Math.min(windowMs, PUBLISH_WINDOW_MS);
  };
}
