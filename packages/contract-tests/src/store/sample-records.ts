import type { ConnectionRecord } from "@cm/protocol";
import type { TestServer } from "./store-scenarios.js";

/** The record of a new connection of a server, in one room. */
export function recordOf({ ids }: TestServer): ConnectionRecord {
  const connectionId = ids.next();
  return { connectionId, userId: `user of ${connectionId}`, connectedAt: 1_700_000_000_000, lastSeen: 5, rooms: ["r"] };
}
