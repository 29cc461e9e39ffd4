import type { CmError, Lease } from "@cm/protocol";
import type { Changes } from "./changes.js";
import { compareRecords, compareRooms, compareUsers, type IsTouched } from "./comparison.js";
import { type LocalConnections, memberOf } from "./local-connections.js";
import type { MembershipStore } from "./options.js";
import type { Projection } from "./projection.js";
import type { HeldKind, Repair, RepairTally } from "./repairs.js";
import { type Found, Round } from "./rounds.js";

/** What a {@link Check} needs. */
export interface CheckOptions {
  readonly store: MembershipStore;
  readonly local: LocalConnections;
  readonly changes: Changes;
  readonly projection: Projection;
  /** The lease as it was last heard of. */
  readonly lease: () => Lease;
  readonly shelfBits: number;
  /** Heartbeats in which everything is looked at once. */
  readonly beats: number;
  readonly tally: RepairTally;
  readonly onRepair: (repair: Repair) => void;
  readonly onError: (error: CmError) => void;
}

/** What is wrong with one slice. */
interface Findings extends Found {
  /** All connections that `repair` writes of. */
  readonly connectionIds: readonly string[];
  /** Writes what was so when it was found. */
  readonly repair: () => Promise<void>;
}

/** Compares what was read with the truth, of which connections that were touched say nothing. */
type Compare = (isTouched: IsTouched) => Findings;

/**
 * Compares what the store holds of this server with the truth, some slices of each kind at a
 * heartbeat, and puts right what differs: a store can lose a part of what it had taken, or
 * come back with what it was told to forget, and nobody notices. What is missing is written
 * again without a word, since nobody was told that it was gone.
 */
export class Check {
  readonly #options: CheckOptions;
  readonly #rounds: readonly Round[];

  constructor(options: CheckOptions) {
    this.#options = options;
    const { store, shelfBits, beats, tally, onRepair, onError } = options;
    const round = (kind: HeldKind, slices: number, read: (lease: Lease, slice: number) => Promise<Compare>): Round =>
      new Round({ kind, slices, beats, tally, onRepair, onError, look: (slice) => this.#look(read, slice) });
    this.#rounds = [
      round("member", store.rooms.slices, (...args) => this.#readRooms(...args)),
      round("user", store.users.slices, (...args) => this.#readUsers(...args)),
      round("record", 2 ** shelfBits, (...args) => this.#readShelf(...args)),
    ];
  }

  /** Looks at the next slices of each kind. Does not fail. */
  async beat(signal: AbortSignal): Promise<void> {
    for (const round of this.#rounds) await round.beat(signal);
  }

  async #look(read: (lease: Lease, slice: number) => Promise<Compare>, slice: number): Promise<Found> {
    const { changes, lease } = this.#options;
    const watch = changes.watch();
    try {
      const compare = await read(lease(), slice);
      const { connectionIds, repair, ...found } = compare(watch.touched);
      // In the turn of the comparison, so that no change comes between the two.
      if (connectionIds.length > 0) await changes.repair(connectionIds, repair);
      return found;
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
