import type { ReconnectingClient } from "./reconnecting-client.js";
import type { ReconnectingLoad } from "./reconnecting-load.js";

/**
 * Compares the messages of recoverable rooms that clients received, over all connections of each client, by their
 * offsets. Returns the faults: messages since a client first joined that are missing, repeated or out of order, or that
 * another client received with other content.
 */
export function faultsOfRecovery(clients: readonly ReconnectingClient[], load: ReconnectingLoad): string[] {
  const faults: string[] = [];
  const texts = new Map<string, string>();
  for (const client of clients) {
    const { user, room, sittings } = client;
    const frames = sittings.flatMap(({ socket }) => socket.received.filter((frame) => !isOther(frame, room)));
    const got = frames.flatMap((frame) => (frame.type === "message" ? [frame] : []));
    if (frames.length > got.length) faults.push(`${user}: a gap`);
    const first = sittings[0]?.joinedAtOffset ?? 0;
    got.forEach(({ offset, data }, i) => {
      if (offset !== first + i + 1) faults.push(`${user}: offset ${offset} as number ${i + 1} after ${first}`);
      // All clients must receive the same message for an offset.
      const key = `${room} ${offset}`;
      if ((texts.get(key) ?? data) !== data) faults.push(`${user}: another message at ${offset}`);
      texts.set(key, String(data));
    });
    const all = new Set(got.map(({ data }) => data));
    const joinedAt = sittings[0]?.joinedAt ?? 0;
    for (const { by, n, room: to, sentAt } of load.taken) {
      if (to === room && sentAt >= joinedAt && !all.has(`${by}:${n}`)) faults.push(`${user}: lost ${n} of ${by}`);
    }
  }
  return faults;
}

function isOther(frame: { readonly type: string; readonly room?: unknown }, room: string): boolean {
  return (frame.type !== "message" && frame.type !== "gap") || frame.room !== room;
}
