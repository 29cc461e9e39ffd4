import { holderName, type ReapClaim, type RoomMember } from "@cm/protocol";
import { inChunks } from "../commands/argument-batches.js";
import type { Commands } from "../commands/redis-commands.js";
import type { Keys } from "../keys/key-names.js";
import { decodeMember } from "./room-entry.js";
import { type RoomKeys, roomEvict, roomKeys } from "./room-scripts.js";

/** Maximum number of rooms in one call of the script. */
const ROOMS_MAX = 100;

/** Maximum number of members that one call removes and announces: 2 to 3 ms of Redis's time. */
const MEMBERS_MAX = 250;

/** Parts that {@link RoomEvictions} needs. */
export interface RoomEvictionsParts {
  readonly commands: Commands;
  readonly keys: Keys;
  /** The command that publishes roster changes: `PUBLISH` or `SPUBLISH`. */
  readonly publishCommand: string;
}

/** A pending eviction from one room. */
interface Eviction {
  readonly keys: RoomKeys;
  readonly members: RoomMember[];
  readonly resolve: (members: RoomMember[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Removes a dead server's members from rooms. Evictions from rooms of one partition that are requested in
 * the same turn share a call. If a room cannot be cleared, only the eviction from that room fails.
 */
export class RoomEvictions {
  readonly #parts: RoomEvictionsParts;
  /** Pending evictions, keyed by claim and by the index key of the rooms' partition. */
  #waiting = new Map<ReapClaim, Map<string, Eviction[]>>();

  constructor(parts: RoomEvictionsParts) {
    this.#parts = parts;
  }

  /** Resolves with the removed members; with an empty list if the claim is no longer held. */
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
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const [claim, partitions] of waiting) {
      for (const evictions of partitions.values()) {
        for (const chunk of inChunks(evictions, ROOMS_MAX)) void this.#run(claim, chunk);
      }
    }
  }

  /** Runs evictions from rooms of one partition. */
  async #run(claim: ReapClaim, evictions: readonly Eviction[]): Promise<void> {
    let left = evictions;
    try {
      while (left.length > 0) left = await this.#step(claim, left);
    } catch (error) {
      for (const { reject } of left) reject(error);
    }
  }

  /** Makes one call and resolves the evictions that it finished. Resolves with the unfinished ones. */
  async #step(claim: ReapClaim, evictions: readonly Eviction[]): Promise<readonly Eviction[]> {
    const { commands, publishCommand } = this.#parts;
    const found = await commands.run(roomEvict, {
      rooms: evictions.map(({ keys }) => keys),
      fenceMs: claim.expiresAtMs,
      publishCommand,
      holder: holderName(claim),
      most: MEMBERS_MAX,
    });
    let taken = 0;
    for (const [i, outcome] of (found ?? []).entries()) {
      const eviction = evictions[i];
      if (eviction === undefined) break;
      if (outcome instanceof Error) {
        eviction.reject(this.#parts.commands.partFailure(outcome, roomKeys(eviction.keys)));
      } else {
        taken += outcome.length;
        eviction.members.push(...outcome.map(decodeMember));
      }
    }
    // If the call reached its maximum, its last room may have more members.
    const done = found === undefined || taken < MEMBERS_MAX ? evictions.length : found.length - 1;
    for (const { members, resolve } of evictions.slice(0, done)) resolve(members);
    return evictions.slice(done);
  }
}
