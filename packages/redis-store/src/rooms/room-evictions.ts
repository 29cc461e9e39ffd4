import type { ReapClaim, RoomMember } from "@cm/protocol";
import { inChunks } from "../commands/batches.js";
import type { Commands } from "../commands/commands.js";
import { toStoreError } from "../errors/store-error.js";
import type { Keys } from "../keys/keys.js";
import { holderOf } from "../servers/lease-fence.js";
import { memberOf } from "./room-entry.js";
import { type RoomKeys, roomEvict, roomKeys } from "./room-scripts.js";

/** The most rooms that one call of the script goes over. */
const ROOMS_MAX = 100;

/** The most members that one call takes out and announces: two or three milliseconds of Redis's time. */
const MEMBERS_MAX = 250;

/** What the evictions need. */
export interface RoomEvictionsParts {
  readonly commands: Commands;
  readonly keys: Keys;
  /** The command that changes of rosters go out with. */
  readonly publishCommand: string;
}

/** One room that is to be cleared. */
interface Eviction {
  readonly keys: RoomKeys;
  readonly members: RoomMember[];
  readonly resolve: (members: RoomMember[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes a dead server's members out of rooms. The rooms of one partition that are asked for
 * without a wait in between share a call; one that can't be cleared fails alone.
 */
export class RoomEvictions {
  readonly #parts: RoomEvictionsParts;
  /** By claim, and by the index of the rooms' partition. */
  readonly #waiting = new Map<ReapClaim, Map<string, Eviction[]>>();

  constructor(parts: RoomEvictionsParts) {
    this.#parts = parts;
  }

  /** Resolves with the members that were taken out; with none where the claim is no longer held. */
  evict(claim: ReapClaim, room: string): Promise<RoomMember[]> {
    if (this.#waiting.size === 0) queueMicrotask(() => this.#flush());
    const partitions = this.#waiting.get(claim) ?? new Map<string, Eviction[]>();
    this.#waiting.set(claim, partitions);
    const keys = this.#parts.keys.roomKeys(room);
    const evictions = partitions.get(keys.index) ?? [];
    partitions.set(keys.index, evictions);
    return new Promise((resolve, reject) => {
      evictions.push({ keys, members: [], resolve, reject });
    });
  }

  #flush(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [claim, partitions] of waiting) {
      for (const evictions of partitions.values()) {
        for (const chunk of inChunks(evictions, ROOMS_MAX)) void this.#run(claim, chunk);
      }
    }
  }

  /** Rooms of one partition. */
  async #run(claim: ReapClaim, evictions: readonly Eviction[]): Promise<void> {
    let left = evictions;
    try {
      while (left.length > 0) left = await this.#step(claim, left);
    } catch (error) {
      for (const { reject } of left) reject(error);
    }
  }

  /** Settles the rooms that one call finished; resolves with those after them. */
  async #step(claim: ReapClaim, evictions: readonly Eviction[]): Promise<readonly Eviction[]> {
    const { commands, publishCommand } = this.#parts;
    const found = await commands.run(roomEvict, {
      rooms: evictions.map(({ keys }) => keys),
      fenceMs: claim.expiresAtMs,
      publishCommand,
      holder: holderOf(claim),
      most: MEMBERS_MAX,
    });
    let taken = 0;
    for (const [i, outcome] of (found ?? []).entries()) {
      const eviction = evictions[i];
      if (eviction === undefined) break;
      if (outcome instanceof Error) {
        eviction.reject(this.#errorOf(outcome, eviction.keys));
      } else {
        taken += outcome.length;
        eviction.members.push(...outcome.map(memberOf));
      }
    }
    // The last room that was looked at may have more.
    const done = found === undefined || taken < MEMBERS_MAX ? evictions.length : found.length - 1;
    for (const { members, resolve } of evictions.slice(0, done)) resolve(members);
    return evictions.slice(done);
  }

  #errorOf(cause: Error, keys: RoomKeys) {
    const error = toStoreError(cause, roomKeys(keys));
    if (error.code === "store-corrupt") this.#parts.commands.reportCorrupt(error);
    return error;
  }
}
