import type { CmError, Lease } from "@cm/protocol";
import { announcedMember, type OwnedConnections } from "../connections/owned-connections.js";
import type { WriteGuard } from "../connections/write-guard.js";
import type { MembershipStore } from "../options.js";
import type { Projection } from "../projection/projection.js";
import { compareRecords, compareRooms, compareUsers, type IsTouched } from "./drift-comparison.js";
import type { DriftKind, DriftReport, DriftTally } from "./drift-report.js";
import { type Found, PartitionPass } from "./partition-pass.js";

/** Options of {@link OwnerReconciler}. */
export interface OwnerReconcilerOptions {
  readonly store: MembershipStore;
  readonly local: OwnedConnections;
  readonly writeGuard: WriteGuard;
  readonly projection: Projection;
  /** The latest known lease. */
  readonly lease: () => Lease;
  readonly partitionBits: number;
  /** Number of heartbeats within which every partition is reconciled once. */
  readonly beats: number;
  readonly tally: DriftTally;
  readonly onDrift: (report: DriftReport) => void;
  readonly onError: (error: CmError) => void;
}

/** The drift of one partition. */
interface Findings extends Found {
  /** All connections that `repair` writes. */
  readonly connectionIds: readonly string[];
  /** Writes the local state as of the moment at which the drift was found. */
  readonly repair: () => Promise<void>;
}

/**
 * Compares the data read from the store with the local state; ignores connections that changed since the
 * read began.
 */
type Compare = (isTouched: IsTouched) => Findings;

/**
 * Reconciles the store with this server's own connections, a few partitions of each kind at each heartbeat. A
 * store can silently lose a part of its data, or be restored with entries that were removed. Missing entries
 * are written again without an announcement, because watchers were never notified that they had gone.
 */
export class OwnerReconciler {
  readonly #options: OwnerReconcilerOptions;
  readonly #passes: readonly PartitionPass[];

  constructor(options: OwnerReconcilerOptions) {
    this.#options = options;
    const { store, partitionBits, beats, tally, onDrift, onError } = options;
    const passOver = (
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
    this.#passes = [
      passOver("member", store.partitions, (...args) => this.#readRooms(...args)),
      passOver("user", store.partitions, (...args) => this.#readUsers(...args)),
      passOver("record", 2 ** partitionBits, (...args) => this.#readRecordPartition(...args)),
    ];
  }

  /** Reconciles the next partitions of each kind. Never rejects: failures go to `onError`. */
  async beat(signal: AbortSignal): Promise<void> {
    for (const pass of this.#passes) await pass.beat(signal);
  }

  async #look(read: (lease: Lease, partition: number) => Promise<Compare>, partition: number): Promise<Found> {
    const { writeGuard, lease } = this.#options;
    const watch = writeGuard.watch();
    try {
      const compare = await read(lease(), partition);
      const { connectionIds, repair, ...found } = compare(watch.touched);
      // Begin the repair in the same turn as the comparison, so that no change happens in between.
      if (connectionIds.length > 0) await writeGuard.repair(connectionIds, repair);
      return found;
    } finally {
      watch.close();
    }
  }

  async #readRooms(lease: Lease, partition: number): Promise<Compare> {
    const { store, local } = this.#options;
    const held = await store.upkeep.projection.held(lease, "rooms", partition);
    return (isTouched) => {
      const rooms = compareRooms(local, partition, held, isTouched).map(({ room, missing, stray }) => ({
        room,
        missing: missing.map(announcedMember),
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
    const held = await store.upkeep.projection.held(lease, "users", partition);
    return (isTouched) => {
      const { missing, stray, wrong } = compareUsers(local, partition, held, isTouched);
      const connectionIds = idsOf([...missing, ...stray, ...wrong]);
      // Also write the connections again that were stored under another user: removing that entry may
      // remove their metadata.
      const again = connectionIds.flatMap((id) => local.get(id) ?? []).map(announcedMember);
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

  async #readRecordPartition(lease: Lease, recordPartition: number): Promise<Compare> {
    const { store, local, projection } = this.#options;
    const held = await store.upkeep.projection.held(lease, "records", recordPartition);
    return (isTouched) => {
      const { missing, stray, wrong } = compareRecords(local, recordPartition, held, isTouched);
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
          // Remove the memberships first, because they can be found only through the record.
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
