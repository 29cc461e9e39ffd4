import { createPresence, type PresenceWatcher, type RoomWatcher, type UserPresence } from "@cm/presence";
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
import { eventually } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import type { GatewayCluster } from "./cluster.js";
import type { CrowdMember } from "./crowd-member.js";
import type { Population } from "./invariants.js";

/** How a {@link PresenceWitness} looks. */
export interface WitnessOptions {
  /**
   * The store loses data, so that a roster may be shown in part while its owners write it
   * anew; users are never shown as gone for that. Default `false`.
   */
  readonly storeLosesData?: boolean;
  /**
   * Leases run out while their servers live, so that whoever reads meanwhile leaves out
   * whom they hold, users too; nobody is announced as gone for that. Default `false`.
   */
  readonly leasesRunOut?: boolean;
  /** How long owners may take to write anew what was lost. Default 5,000. */
  readonly restoreWithinMs?: number;
}

/** What everybody was told of, where that is more than who has gone. */
export interface WitnessedReturns {
  /** Present, though they were announced as gone meanwhile, and as back. */
  readonly returned?: readonly CrowdMember[];
  /** Whose departure the store had forgotten: what of it is told once more is not looked at. */
  readonly forgotten?: readonly CrowdMember[];
  readonly timeoutMs?: number;
}

/** So often everything is read once more, and compared with what was told. */
const RECHECK_MS = 1_000;

/** For how long a room is asked to announce its changes. */
const ANNOUNCE_TTL_MS = 3_000;

/**
 * Watches users and rooms from outside of all gateways: each change that goes over the
 * bus, and what `@cm/presence` shows its watchers. Ends with the test.
 */
export class PresenceWitness {
  /** By user and by connection: what was announced since the last check, in order. */
  readonly #announced = new Map<string, string[]>();
  readonly #users = new Map<string, UserPresence>();
  readonly #rosters = new Map<string, Set<string>>();
  /** Users and connections that were shown as gone since the last check. */
  readonly #shownGone = new Set<string>();
  /** Whose departure was checked already. */
  readonly #settled = new Set<string>();
  readonly #storeLosesData: boolean;
  readonly #leasesRunOut: boolean;
  readonly #store: Store;
  #interruptions = 0;

  private constructor(store: Store, { storeLosesData = false, leasesRunOut = false }: WitnessOptions) {
    this.#store = store;
    this.#storeLosesData = storeLosesData;
    this.#leasesRunOut = leasesRunOut;
  }

  /** Begins with a population that is there already. */
  static async watch(
    { redisUrl, prefix }: Pick<GatewayCluster, "redisUrl" | "prefix">,
    { members }: Population,
    options: WitnessOptions = {},
  ): Promise<PresenceWitness> {
    const store = createRedisStore({ url: redisUrl, prefix, onError: () => undefined });
    const witness = new PresenceWitness(store, options);
    onTestFinished(() => store.close());
    await store.start();
    const { users, rooms } = store;
    const presence = createPresence({
      users,
      rooms,
      bus: witness.#tap(store.bus),
      recheckIntervalMs: RECHECK_MS,
      restoreWithinMs: options.restoreWithinMs ?? 5_000,
      announceTtlMs: ANNOUNCE_TTL_MS,
    });
    onTestFinished(() => presence.close());
    const named = [...new Set(members.map(({ user }) => user))];
    await presence.watchUsers(named, witness.#userWatcher());
    for (const room of new Set(members.map((member) => member.room))) {
      await presence.watchRoom(room, witness.#roomWatcher(room));
    }
    // It has begun with everybody there.
    await witness.expectDepartures({ members, present: members });
    return witness;
  }

  /**
   * Waits until everybody who has gone since the last check was announced, and is shown, as
   * gone; then: once, and nobody else. While the witness' own subscription is interrupted an
   * announcement may pass it by, and is then only seen in what is shown.
   */
  async expectDepartures(
    { members }: Pick<Population, "members">,
    { returned = [], forgotten = [], timeoutMs = 10_000 }: WitnessedReturns = {},
  ): Promise<void> {
    const expected = this.#expectedOf(members, returned);
    const ignored = new Set(forgotten.flatMap((member) => [connectionName(member), `user ${member.user}`]));
    const looksAt = ([name]: readonly [string, unknown]): boolean => !ignored.has(name);
    await eventually(
      () => {
        this.#expectShown(members);
        if (this.#interruptions > 0) return;
        const announced = [...this.#announced].filter(looksAt);
        expect(Object.fromEntries(announced)).toEqual(Object.fromEntries([...expected].filter(looksAt)));
      },
      { timeoutMs },
    );
    for (const [name, told] of [...this.#announced].filter(looksAt)) {
      const owed = [...(expected.get(name) ?? [])];
      // What was told is what was to be told, but for what passed it by.
      for (const kind of told) {
        const at = owed.indexOf(kind);
        expect(at, `${name} was announced: ${told.join(", ")}`).toBeGreaterThanOrEqual(0);
        owed.splice(0, at + 1);
      }
    }
    const falselyGone = [...this.#shownGone].filter((name) => !expected.has(name) && !ignored.has(name));
    expect(falselyGone.filter((name) => !this.#mayHide(name))).toEqual([]);
    for (const [name, kinds] of expected) if (GONE.has(kinds.at(-1) ?? "")) this.#settled.add(name);
    this.#announced.clear();
    this.#shownGone.clear();
    this.#interruptions = 0;
    // With the data the store lost that it was asked to announce a room's changes.
    for (const room of this.#rosters.keys()) await this.#store.rooms.announce(room, ANNOUNCE_TTL_MS);
  }

  #mayHide(name: string): boolean {
    return this.#leasesRunOut || (this.#storeLosesData && !name.startsWith("user "));
  }

  #expectedOf(members: readonly CrowdMember[], returned: readonly CrowdMember[]): Map<string, string[]> {
    const expected = new Map<string, string[]>();
    const add = (name: string, back: boolean, isThere: boolean, [gone, here]: readonly [string, string]): void => {
      const kinds = [...(back ? [gone, here] : []), ...(isThere || this.#settled.has(name) ? [] : [gone])];
      if (kinds.length > 0) expected.set(name, kinds);
    };
    const back = new Set(returned);
    for (const member of members) {
      add(connectionName(member), back.has(member), member.socket.isOpen, ["left", "joined"]);
    }
    for (const user of new Set(members.map((member) => member.user))) {
      const own = members.filter((member) => member.user === user);
      const isBack = own.every((member) => back.has(member));
      const isThere = own.some(({ socket }) => socket.isOpen);
      add(`user ${user}`, isBack, isThere, ["offline", "online"]);
    }
    return expected;
  }

  #expectShown(members: readonly CrowdMember[]): void {
    const present = members.filter(({ socket }) => socket.isOpen);
    const online = [...this.#users.values()].filter(({ status }) => status === "online").map(({ userId }) => userId);
    expect(online.sort()).toEqual([...new Set(present.map(({ user }) => user))].sort());
    for (const [room, shown] of this.#rosters) {
      const inRoom = present.filter((member) => member.room === room).map(({ socket }) => socket.id);
      expect([...shown].sort()).toEqual(inRoom.sort());
    }
  }

  #userWatcher(): PresenceWatcher {
    const show = (presence: UserPresence): void => {
      const before = this.#users.get(presence.userId);
      if (before !== undefined && presence.status === "offline") this.#shownGone.add(`user ${presence.userId}`);
      this.#users.set(presence.userId, presence);
    };
    return { snapshot: (presences) => presences.forEach(show), change: (_, presence) => show(presence) };
  }

  #roomWatcher(room: string): RoomWatcher {
    return {
      snapshot: (members) => {
        const now = new Set(members.map(({ connectionId }) => connectionId));
        for (const id of this.#rosters.get(room) ?? []) if (!now.has(id)) this.#shownGone.add(`connection ${id}`);
        this.#rosters.set(room, now);
      },
      change: ({ kind, connectionId }) => {
        if (kind === "joined") this.#rosters.get(room)?.add(connectionId);
        if (kind !== "left") return;
        this.#rosters.get(room)?.delete(connectionId);
        this.#shownGone.add(`connection ${connectionId}`);
      },
    };
  }

  /** Hears what goes over the bus before presence drops what is late or came twice. */
  #tap(bus: Pick<Bus, "subscribe">): Pick<Bus, "subscribe"> {
    return {
      subscribe: (channel, handler, onResumed) =>
        bus.subscribe(
          channel,
          (message) => {
            this.#hear(channel, decodeUtf8(message) ?? "");
            handler(message);
          },
          () => {
            this.#interruptions++;
            onResumed?.();
          },
        ),
    };
  }

  #hear({ kind }: Channel, text: string): void {
    const parsed = kind === "presence" ? parsePresenceChange(text) : parseRosterChange(text);
    if (!parsed.ok) throw new Error(`No change: ${text}`);
    const change: PresenceChange | RosterChange = parsed.value;
    if (!TOLD.has(change.kind)) return;
    const name = kind === "presence" ? `user ${change.userId}` : `connection ${change.connectionId}`;
    const told = this.#announced.get(name);
    if (told === undefined) this.#announced.set(name, [change.kind]);
    else told.push(change.kind);
  }
}

/** The changes by which somebody comes or goes, and not only one device more or less. */
const TOLD = new Set(["online", "offline", "joined", "left"]);
const GONE = new Set(["offline", "left"]);

function connectionName({ socket }: CrowdMember): string {
  return `connection ${socket.id}`;
}
