import type { WebSocket } from "uWebSockets.js";

/** A native socket with any user data. */
export type AnySocket = WebSocket<unknown>;

/**
 * Prefix of the topic of a room. It keeps the topics of rooms apart from all other topics of an App that belongs
 * to the application.
 */
const ROOM_TOPIC = "cm:room:";

/** Prefix of the topics of a large room's lanes except the first; the lane's number follows. */
const LANE_TOPIC = "cm:lane:";

/** The native topic of a room, or of one of its lanes. */
export function topicOf(room: string, lane = 0): string {
  return lane === 0 ? ROOM_TOPIC + room : `${LANE_TOPIC}${lane}:${room}`;
}

/** The room and the lane of a native topic; `undefined` if it is not the topic of a room. */
export function roomOf(topic: string): { readonly room: string; readonly lane: number } | undefined {
  if (topic.startsWith(ROOM_TOPIC)) return { room: topic.slice(ROOM_TOPIC.length), lane: 0 };
  if (!topic.startsWith(LANE_TOPIC)) return undefined;
  const end = topic.indexOf(":", LANE_TOPIC.length);
  return { room: topic.slice(end + 1), lane: Number(topic.slice(LANE_TOPIC.length, end)) };
}
