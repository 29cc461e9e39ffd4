import type { WebSocket } from "uWebSockets.js";

/** A native socket, whatever it carries. */
export type AnySocket = WebSocket<unknown>;

/** Before the room's name: room topics can't meet topics of any other kind, nor those of an App's own. */
const ROOM_TOPIC = "cm:room:";

/** The same, of the lanes but the first that a large room has, each with its number behind it. */
const LANE_TOPIC = "cm:lane:";

/** The native topic of a room, or of one of its lanes. */
export function topicOf(room: string, lane = 0): string {
  return lane === 0 ? ROOM_TOPIC + room : `${LANE_TOPIC}${lane}:${room}`;
}

/** The room and the lane of a native topic; `undefined` where it is not of a room. */
export function roomOf(topic: string): { readonly room: string; readonly lane: number } | undefined {
  if (topic.startsWith(ROOM_TOPIC)) return { room: topic.slice(ROOM_TOPIC.length), lane: 0 };
  if (!topic.startsWith(LANE_TOPIC)) return undefined;
  const end = topic.indexOf(":", LANE_TOPIC.length);
  return { room: topic.slice(end + 1), lane: Number(topic.slice(LANE_TOPIC.length, end)) };
}
