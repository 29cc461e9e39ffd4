import type { History, HistoryPosition, Store, UserDirectory, UserState } from "@cm/protocol";
import type { Slice } from "../hub/histories.js";
import { PARTITIONS } from "../partitions.js";
import { HubBus } from "./hub-bus.js";
import { HubLink } from "./hub-link.js";

/** The names of a contract's calls. */
type CallsOf<T> = { [K in keyof T]: T[K] extends (...args: never) => Promise<unknown> ? K : never }[keyof T] & string;

/**
 * A store whose data is in a hub (see `hub/hub.ts`) on this machine. It keeps every promise of the contracts but one:
 * its link does not come back once it is lost.
 */
export function createHubStore({ port }: { readonly port: number }): Store {
  const link: HubLink = new HubLink(port, (subscription, bytes) => bus.deliver(subscription, bytes));
  const bus = new HubBus(link, historyOver(link));
  /** Returns a contract whose calls are carried out in the hub. */
  const remote = <T>(part: string, names: readonly CallsOf<T>[]): T =>
    Object.fromEntries(
      names.map((name) => [name, (...args: unknown[]) => link.call(part, name, args)]),
    ) as unknown as T; // Safe: the hub has the same contracts, as the compiler checks there.
  let closing: Promise<void> | undefined;
  return {
    servers: remote("servers", ["acquire", "renew", "unregister", "snapshot"]),
    connections: remote("connections", ["put", "remove", "get"]),
    rooms: remote("rooms", ["join", "leave", "members", "count", "enableAnnouncements"]),
    users: withLastSeen(remote("users", ["add", "remove", "states", "online"])),
    roomRecords: remote("roomRecords", ["get", "compareAndSet", "restore"]),
    counts: remote("counts", ["of"]),
    upkeep: {
      servers: remote("upkeep.servers", ["claim", "watch", "expire"]),
      projection: remote("upkeep.projection", ["renew", "held", "evict", "endGracePeriods", "reconcile"]),
    },
    partitions: PARTITIONS,
    bus,
    link,
    start: () => link.open(),
    close() {
      closing ??= Promise.resolve().then(() => {
        bus.closeAll();
        link.close();
      });
      return closing;
    },
  };
}

/** Adds `lastSeen` again: JSON drops properties that are undefined, and a state has all of its properties. */
function withLastSeen(users: UserDirectory): UserDirectory {
  const whole = (state: UserState): UserState => ({ ...state, lastSeen: state.lastSeen });
  return {
    ...users,
    states: async (...asked) => (await users.states(...asked)).map(whole),
    async online(page, partition) {
      const { items, cursor } = await users.online(page, partition);
      return { items: items.map(whole), cursor };
    },
  };
}

/** Returns the history in the hub. Its messages are bytes, which the link carries as base64. */
function historyOver(link: HubLink): History {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const draft = ({ before, after }: { readonly before: Uint8Array; readonly after: Uint8Array }) => ({
    before: base64(before),
    after: base64(after),
  });
  // The cast is safe: the hub answers these calls with a position.
  const position = async (name: string, ...args: readonly unknown[]): Promise<HistoryPosition> =>
    (await link.call("history", name, args)) as HistoryPosition;
  return {
    link,
    append: (room, { sender, ...given }) => position("append", room, draft(given), sender),
    restart: (room, reached, notice) => position("restart", room, reached, draft(notice)),
    async since(room, from, limit) {
      const { top, complete, former, entries } = (await link.call("history", "since", [room, from, limit])) as Slice;
      return {
        top,
        complete,
        former,
        entries: entries.map(({ offset, message }) => ({ offset, message: Buffer.from(message, "base64") })),
      };
    },
  };
}
