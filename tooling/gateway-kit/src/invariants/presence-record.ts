import {
  createPresence,
  type Presence,
  type PresenceWatcher,
  type RoomWatcher,
  type RosterMember,
  type UserPresence,
} from "@cm/presence";
import {
  type Bus,
  type Channel,
  decodeUtf8,
  type PresenceChange,
  parsePresenceChange,
  parseRosterChange,
  type RosterChange,
  type Store,
} from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { expect } from "vitest";
import type { CrowdMember } from "../clients/crowd-member.js";
import type { GatewayCluster } from "../processes/gateway-cluster.js";

/** Interval at which all state is read again and compared with the announcements. */
const RECHECK_MS = 1_000;

/** Time for which a room announces its changes after it was asked to, in milliseconds. */
const ANNOUNCE_TTL_MS = 3_000;

/**
 * The changes by which a user or member appears or disappears, as opposed to changes of one of several
 * connections.
 */
const NOTED = new Set(["online", "offline", "joined", "left"]);

/** The name of a user in a record. */
export function userName(user: string): string {
  return `user ${user}`;
}

/** The name of a room member in a record. */
export function connectionName(connectionId: string): string {
  return `connection ${connectionId}`;
}

/**
 * Records the presence of some users and rooms without using a gateway: each change on the bus, and the state
 * that `@cm/presence` shows its watchers.
 */
export class PresenceRecord {
  /** The kinds of the announced changes in order, by the name of the user or connection. */
  readonly announced = new Map<string, string[]>();
  /** Names of users and connections that were shown as gone. */
  readonly shownGone = new Set<string>();
  readonly users = new Map<string, UserPresence>();
  readonly rosters = new Map<string, ReadonlyMap<string, RosterMember>>();
  /** Number of interrupted subscriptions; an announcement may have been missed during each. */
  interruptions = 0;
  /** Descriptions of changes of users that were shown after a later change. */
  readonly late: string[] = [];
  readonly #store: Store;
  readonly #presence: Presence;

  private constructor(store: Store, restoreWithinMs: number) {
    this.#store = store;
    this.#presence = createPresence({
      users: store.users,
      rooms: store.rooms,
      counts: store.counts,
      partitions: store.partitions,
      bus: this.#tap(store.bus),
      recheckIntervalMs: RECHECK_MS,
      restoreWithinMs,
      announceTtlMs: ANNOUNCE_TTL_MS,
    });
  }

  /**
   * Starts a record from the current state. `restoreWithinMs` is the time within which owners write again what
   * the store has lost.
   */
  static async open(
    { redisUrl, prefix }: Pick<GatewayCluster, "redisUrl" | "prefix">,
    subjects: { readonly users: readonly string[]; readonly rooms: readonly string[] },
    restoreWithinMs: number,
  ): Promise<PresenceRecord> {
    const store = createRedisStore({ url: redisUrl, prefix, onError: () => undefined });
    const record = new PresenceRecord(store, restoreWithinMs);
    await store.start();
    await record.#watch(subjects.users, subjects.rooms);
    return record;
  }

  /**
   * Clears the record and continues. Asks for the announcements of all rooms again, in case the store has lost the
   * request.
   */
  async turnPage(): Promise<void> {
    this.announced.clear();
    this.shownGone.clear();
    this.interruptions = 0;
    for (const room of this.rosters.keys()) await this.#store.rooms.enableAnnouncements(room, ANNOUNCE_TTL_MS);
  }

  /** Throws if the shown presence differs from the members that are present. */
  expectShown(present: readonly CrowdMember[]): void {
    const online = [...this.users.values()].filter(({ status }) => status === "online").map(({ userId }) => userId);
    expect(online.sort()).toEqual([...new Set(present.map(({ user }) => user))].sort());
    for (const [room, shown] of this.rosters) {
      const inRoom = present.filter((member) => member.room === room).map(({ socket }) => socket.id);
      expect([...shown.keys()].sort()).toEqual(inRoom.sort());
    }
  }

  async close(): Promise<void> {
    await this.#presence.close();
    await this.#store.close();
  }

  async #watch(users: readonly string[], rooms: readonly string[]): Promise<void> {
    for (const user of users) this.users.set(user, await this.#presence.get(user));
    await this.#presence.watchUsers(users, this.#userWatcher());
    for (const room of rooms) await this.#presence.watchRoom(room, this.#roomWatcher(room));
  }

  #userWatcher(): PresenceWatcher {
    const show = (presence: UserPresence): void => {
      if (presence.status === "offline") this.shownGone.add(userName(presence.userId));
      this.users.set(presence.userId, presence);
    };
    return {
      snapshot: (presences) => presences.forEach(show),
      change: ({ kind, version }, presence) => {
        const before = this.users.get(presence.userId)?.version ?? 0;
        if (version <= before) this.late.push(`${kind} ${presence.userId}: ${version} after ${before}`);
        show(presence);
      },
    };
  }

  #roomWatcher(room: string): RoomWatcher {
    const show = (members: ReadonlyMap<string, RosterMember>): void => {
      for (const id of this.rosters.get(room)?.keys() ?? []) {
        if (!members.has(id)) this.shownGone.add(connectionName(id));
      }
      this.rosters.set(room, members);
    };
    return {
      snapshot: (members) => show(new Map(members.map((member) => [member.connectionId, member]))),
      change: ({ kind, connectionId, userId, metadata }) => {
        const members = new Map(this.rosters.get(room));
        if (kind === "left") members.delete(connectionId);
        else members.set(connectionId, { connectionId, userId, serverId: "", metadata });
        show(members);
      },
    };
  }

  /** Observes the messages of the bus before presence drops late and duplicate ones. */
  #tap(bus: Pick<Bus, "subscribe">): Pick<Bus, "subscribe"> {
    return {
      subscribe: (channel, handler, onResumed) =>
        bus.subscribe(
          channel,
          (message) => {
            this.#hear(channel, decodeUtf8(message) ?? "");
            handler(message);
          },
          (sinceMs) => {
            this.interruptions++;
            onResumed?.(sinceMs);
          },
        ),
    };
  }

  #hear({ kind }: Channel, text: string): void {
    const parsed = kind === "presence" ? parsePresenceChange(text) : parseRosterChange(text);
    if (!parsed.ok) throw new Error(`No change: ${text}`);
    const change: PresenceChange | RosterChange = parsed.value;
    // Ignore the changes of other users, which the feed of a partition also contains.
    if (!NOTED.has(change.kind) || (kind === "presence" && !this.users.has(change.userId))) return;
    const name = kind === "presence" ? userName(change.userId) : connectionName(change.connectionId ?? "");
    const told = this.announced.get(name);
    if (told === undefined) this.announced.set(name, [change.kind]);
    else told.push(change.kind);
  }
}
