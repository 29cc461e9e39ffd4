import type { CmError, Lease } from "@cm/protocol";
import { type LocalConnections, memberOf } from "../connections/local-connections.js";
import type { WriteGuard } from "../connections/write-guard.js";
import type { MembershipStore } from "../options.js";
import type { Projection } from "../projection/projection.js";
import { compareRecords, compareRooms, compareUsers, type IsTouched } from "./drift-comparison.js";
import type { DriftKind, DriftReport, DriftTally } from "./drift-report.js";
import { type Found, PartitionPass } from "./partition-pass.js";

/** What a {@link OwnerReconciler} needs. */
export interface OwnerReconcilerOptions {
  readonly store: MembershipStore;
  readonly local: LocalConnections;
  readonly changes: WriteGuard;
  readonly projection: Projection;
  /** The lease as it was last heard of. */
  readonly lease: () => Lease;
  readonly shelfBits: number;
  /** Heartbeats in which everything is looked at once. */
  readonly beats: number;
  readonly tally: DriftTally;
  readonly onDrift: (repair: DriftReport) => void;
  readonly onError: (error: CmError) => void;
}

/** What is wrong with one partition. */
interface Findings extends Found {
  /** All connections that `repair` writes of. */
  readonly connectionIds: readonly string[];
  /** Writes what was so when it was found. */
  readonly repair: () => Promise<void>;
}

/** Compares what was read with the truth, of which connections that were touched say nothing. */
type Compare = (isTouched: IsTouched) => Findings;

/**
 * Compares what the store holds of this server with the truth, some partitions of each kind at a
 * heartbeat, and puts right what differs: a store can lose a part of what it had taken, or
 * come back with what it was told to forget, and nobody notices. What is missing is written
 * again without a word, since nobody was told that it was gone.
 */
export class OwnerReconciler {
  readonly #options: OwnerReconcilerOptions;
  readonly #rounds: readonly PartitionPass[];

  constructor(options: OwnerReconcilerOptions) {
    this.#options = options;
    const { store, shelfBits, beats, tally, onDrift, onError } = options;
    const round = (
      kind: DriftKind,
      partitions: number,
      read: (lease: Lease, partition: number) => Promise<Compare>,
    ): PartitionPass =>
      new PartitionPass({
        kind,
        partitions,
        beats,
        tally,
        onDrift,
        onError,
        look: (partition) => this.#look(read, partition),
      });
    this.#rounds = [
      round("member", store.rooms.partitions, (...args) => this.#readRooms(...args)),
      round("user", store.users.partitions, (...args) => this.#readUsers(...args)),
      round("record", 2 ** shelfBits, (...args) => this.#readShelf(...args)),
    ];
  }

  /** Looks at the next partitions of each kind. Does not fail. */
  async beat(signal: AbortSignal): Promise<void> {
    for (const round of this.#rounds) await round.beat(signal);
  }

  async #look(read: (lease: Lease, partition: number) => Promise<Compare>, partition: number): Promise<Found> {
    const { changes, lease } = this.#options;
    const watch = changes.watch();
    try {
      const compare = await read(lease(), partition);
      const { connectionIds, repair, ...found } = compare(watch.touched);
      // In the turn of the comparison, so that no change comes between the two.
      if (connectionIds.length > 0) await changes.repair(connectionIds, repair);
      return found;
    } finally {
      watch.close();
    }
  }

  async #readRooms(lease: Lease, partition: number): Promise<Compare> {
    const { store, local } = this.#options;
    const held = await store.rooms.held(lease, partition);
    return (isTouched) => {
      const rooms = compareRooms(local, partition, held, isTouched).map(({ room, missing, stray }) => ({
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

  async #readUsers(lease: Lease, partition: number): Promise<Compare> {
    const { store, local } = this.#options;
    const held = await store.users.held(lease, partition);
    return (isTouched) => {
      const { missing, stray, wrong } = compareUsers(local, partition, held, isTouched);
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
