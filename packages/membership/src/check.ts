import type { Lease } from "@cm/protocol";
import type { Changes } from "./changes.js";
import { compareRecords, compareRooms, compareUsers, type IsTouched } from "./comparison.js";
import { type LocalConnections, memberOf } from "./local-connections.js";
import type { MembershipStore } from "./options.js";
import type { Projection } from "./projection.js";
import { type HeldKind, type Repair, type RepairStats, RepairTally } from "./repairs.js";

/** What a {@link Check} needs. */
export interface CheckOptions {
  readonly store: MembershipStore;
  readonly local: LocalConnections;
  readonly changes: Changes;
  readonly projection: Projection;
  readonly shelfBits: number;
  readonly beatMs: number;
  /** Everything is looked at once within so long. */
  readonly withinMs: number;
  readonly onRepair: (repair: Repair) => void;
}

/** What is wrong with one slice. */
interface Findings {
  readonly missing: number;
  readonly stray: number;
  readonly wrong: number;
  /** All connections that `repair` writes of. */
  readonly connectionIds: readonly string[];
  /** Writes what was so when it was found. */
  readonly repair: () => Promise<void>;
}

/** Compares what was read with the truth, of which connections that were touched say nothing. */
type Compare = (isTouched: IsTouched) => Findings;

/** All slices of one kind, in turn. */
interface Round {
  readonly kind: HeldKind;
  readonly slices: number;
  readonly read: (lease: Lease, slice: number) => Promise<Compare>;
  next: number;
}

/**
 * Compares what the store holds of this server with the truth, some slices of each kind at a
 * heartbeat, and puts right what differs: a store can lose a part of what it had taken, or
 * come back with what it was told to forget, and nobody notices. What is missing is written
 * again without a word, since nobody was told that it was gone.
 */
export class Check {
  readonly #options: CheckOptions;
  readonly #beats: number;
  readonly #rounds: readonly Round[];
  readonly #tally = new RepairTally();

  constructor(options: CheckOptions) {
    this.#options = options;
    const { store, shelfBits, beatMs, withinMs } = options;
    this.#beats = Math.max(1, Math.floor(withinMs / beatMs));
    this.#rounds = [
      { kind: "member", slices: store.rooms.slices, read: (...args) => this.#readRooms(...args), next: 0 },
      { kind: "user", slices: store.users.slices, read: (...args) => this.#readUsers(...args), next: 0 },
      { kind: "record", slices: 2 ** shelfBits, read: (...args) => this.#readShelf(...args), next: 0 },
    ];
  }

  stats(): RepairStats {
    return this.#tally.stats();
  }

  /** Looks at the next slices, one after the other: there is time until the next heartbeat. */
  async beat(lease: Lease, signal: AbortSignal): Promise<void> {
    for (const round of this.#rounds) {
      for (let left = Math.ceil(round.slices / this.#beats); left > 0 && !signal.aborted; left--) {
        await this.#look(lease, round);
        round.next = (round.next + 1) % round.slices;
      }
    }
  }

  async #look(lease: Lease, { kind, next: slice, read }: Round): Promise<void> {
    const { changes, onRepair } = this.#options;
    const watch = changes.watch();
    try {
      const compare = await read(lease, slice);
      this.#tally.checked();
      const { connectionIds, repair, ...counts } = compare(watch.touched);
      if (connectionIds.length === 0) return;
      // In the turn of the comparison, so that no change comes between the two.
      await changes.repair(connectionIds, repair);
      const repaired = { kind, slice, ...counts };
      this.#tally.add(repaired);
      onRepair(repaired);
    } finally {
      watch.close();
    }
  }

  async #readRooms(lease: Lease, slice: number): Promise<Compare> {
    const { store, local } = this.#options;
    const held = await store.rooms.held(lease, slice);
    return (isTouched) => {
      const rooms = compareRooms(local, slice, held, isTouched).map(({ room, missing, stray }) => ({
        room,
        missing: missing.map(memberOf),
        left: stray.filter(({ connectionId }) => local.get(connectionId) !== undefined),
        closed: stray.filter(({ connectionId }) => local.get(connectionId) === undefined),
      }));
      const missing = rooms.flatMap((difference) => difference.missing);
      const stray = rooms.flatMap(({ left, closed }) => [...left, ...closed]);
      return {
        missing: missing.length,
        stray: stray.length,
        wrong: 0,
        connectionIds: idsOf([...missing, ...stray]),
        repair: async () => {
          for (const { room, missing, left, closed } of rooms) {
            if (left.length > 0) await store.rooms.leave(lease, room, left, "left");
            if (closed.length > 0) await store.rooms.leave(lease, room, closed, "closed");
            if (missing.length > 0) await store.rooms.join(lease, room, missing, { quiet: true });
          }
        },
      };
    };
  }

  async #readUsers(lease: Lease, slice: number): Promise<Compare> {
    const { store, local } = this.#options;
    const held = await store.users.held(lease, slice);
    return (isTouched) => {
      const { missing, stray, wrong } = compareUsers(local, slice, held, isTouched);
      const connectionIds = idsOf([...missing, ...stray, ...wrong]);
      // Also those that were held of another user, whose metadata may go with that.
      const again = connectionIds.flatMap((id) => local.get(id) ?? []).map(memberOf);
      return {
        missing: missing.length,
        stray: stray.length,
        wrong: wrong.length,
        connectionIds,
        repair: async () => {
          if (stray.length > 0) await store.users.remove(lease, stray, { graceMs: 0 });
          if (again.length > 0) await store.users.add(lease, again, { quiet: true });
        },
      };
    };
  }

  async #readShelf(lease: Lease, shelf: number): Promise<Compare> {
    const { store, local, projection } = this.#options;
    const held = await store.connections.held(lease, shelf);
    return (isTouched) => {
      const { missing, stray, wrong } = compareRecords(local, shelf, held, isTouched);
      const left = wrong.flatMap((record) =>
        record.rooms
          .filter((room) => local.get(record.connectionId)?.rooms.has(room) !== true)
          .map((room) => ({ room, record })),
      );
      const closed = stray.flatMap((record) => record.rooms.map((room) => ({ room, record })));
      const again = [...missing, ...wrong.flatMap(({ connectionId }) => local.get(connectionId) ?? [])];
      const records = again.map((connection) => projection.recordOf(connection));
      return {
        missing: missing.length,
        stray: stray.length,
        wrong: wrong.length,
        connectionIds: idsOf([...missing, ...stray, ...wrong]),
        repair: async () => {
          // What only the record leads to goes before the record does.
          for (const { room, record } of left) await store.rooms.leave(lease, room, [record], "left");
          for (const { room, record } of closed) await store.rooms.leave(lease, room, [record], "closed");
          if (stray.length > 0) {
            await store.users.remove(lease, stray, { graceMs: 0 });
            await store.connections.remove(lease, idsOf(stray));
          }
          if (records.length > 0) await store.connections.put(lease, records);
        },
      };
    };
  }
}

function idsOf(things: readonly { readonly connectionId: string }[]): string[] {
  return [...new Set(things.map(({ connectionId }) => connectionId))];
}
