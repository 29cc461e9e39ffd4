import {
  type Channel,
  decodeUtf8,
  encodeUtf8,
  type PresenceChange,
  parsePresenceChange,
  parseRosterChange,
  partitionOf,
  type Result,
  type RosterChange,
  randomBase36,
  type Store,
} from "@cm/protocol";
import { expect, vi } from "vitest";

const MARKER = "everything before this has arrived";

/** Maximum time until an expected message arrives. */
const PATIENCE = { timeout: 10_000, interval: 5 };

/** Receives the announcements on some channels. */
export interface Announcements<T> {
  /**
   * Resolves with all announcements so far, in the order of arrival, once none is in transit any more.
   * Rejects if the changes of a channel are not one chain of increasing versions.
   */
  heard(): Promise<readonly T[]>;
  /** Drops the announcements received so far, except the end of each chain. */
  forget(): Promise<void>;
}

/** Subscribes to the feeds of some users, or of all of them. */
export async function hearUsers(store: Store, userIds?: readonly string[]): Promise<Announcements<PresenceChange>> {
  const every = Array.from({ length: store.partitions }, (_, partition) => partition);
  const partitions =
    userIds === undefined ? every : [...new Set(userIds.map((userId) => partitionOf(userId, store.partitions)))];
  return hear(
    store,
    partitions.map((partition) => ({ kind: "presence", name: String(partition) })),
    parsePresenceChange,
  );
}

/** Subscribes to the rosters of some rooms. Does not request that they are announced. */
export async function hearRooms(store: Store, rooms: readonly string[]): Promise<Announcements<RosterChange>> {
  return hear(
    store,
    rooms.map((name) => ({ kind: "roster", name })),
    parseRosterChange,
  );
}

async function hear<T extends { readonly version: number; readonly previousVersion: number }>(
  { bus }: Store,
  channels: readonly Channel[],
  parse: (text: string) => Result<T>,
): Promise<Announcements<T>> {
  let changes: T[] = [];
  const faults: string[] = [];
  const marker = MARKER + randomBase36(8);
  let markers = 0;
  await Promise.all(
    channels.map((channel) => {
      let last: T | undefined;
      return bus.subscribe(channel, (message) => {
        const text = decodeUtf8(message) ?? "no UTF-8";
        if (text.startsWith(MARKER)) {
          // Other subscribers of the same channel have their own markers.
          if (text === marker) markers++;
          return;
        }
        const change = parse(text);
        if (!change.ok) {
          faults.push(`${channel.name}: ${text}`);
          return;
        }
        const { version, previousVersion } = change.value;
        const isNext = version > previousVersion && (last === undefined || last.version === previousVersion);
        if (!isNext) faults.push(`${channel.name}: after ${last?.version} came ${text}`);
        last = change.value;
        changes.push(change.value);
      });
    }),
  );
  let asked = 0;
  const heard = async (): Promise<readonly T[]> => {
    asked += channels.length;
    await Promise.all(channels.map((channel) => bus.publish(channel, encodeUtf8(marker))));
    await vi.waitFor(() => expect(markers).toBe(asked), PATIENCE);
    expect(faults).toEqual([]);
    return [...changes];
  };
  return {
    heard,
    forget: async () => {
      await heard();
      changes = [];
    },
  };
}
