import type { Lease } from "@cm/protocol";
import type { Commands } from "../commands/redis-commands.js";
import { type RoomJoin, roomJoin, roomKeys } from "./room-scripts.js";

/** Maximum number of members in a call that several joins share: less than a millisecond of Redis's time. */
const MEMBERS_MAX = 64;

/** Maximum size of the metadata and record values in a call that several joins share, in characters. */
const CHARACTERS_MAX = 64 * 1024;

/** Parts that {@link RoomJoins} needs. */
export interface RoomJoinsParts {
  readonly commands: Commands;
  readonly connectionTtlMs: number;
  readonly roomRecordTtlMs: number;
  /** The command that publishes roster changes: `PUBLISH` or `SPUBLISH`. */
  readonly publishCommand: string;
  /** Whether the partitions are spread over several nodes. */
  readonly isSharded: boolean;
}

/** A requested join, until it is sent. */
interface PendingJoin {
  readonly join: RoomJoin;
  readonly resolve: (isWritten: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Adds members to rooms. Joins that are requested in the same turn share calls; in a Cluster, only joins to rooms of
 * one partition do. If members cannot be added to a room, only the join of that room fails.
 */
export class RoomJoins {
  readonly #parts: RoomJoinsParts;
  #waiting: PendingJoin[] = [];
  /** The lease of the waiting joins. */
  #lease: Lease | undefined;

  constructor(parts: RoomJoinsParts) {
    this.#parts = parts;
  }

  /** Resolves with whether the lease was held. */
  join(lease: Lease, join: RoomJoin): Promise<boolean> {
    if (this.#lease !== lease) this.flush();
    if (this.#waiting.length === 0) queueMicrotask(() => this.flush());
    this.#lease = lease;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ join, resolve, reject });
    });
  }

  /** Sends the waiting joins now, so that a command which is sent next comes after them. */
  flush(): void {
    const lease = this.#lease;
    const waiting = this.#waiting;
    if (lease === undefined || waiting.length === 0) return;
    this.#waiting = [];
    this.#lease = undefined;
    for (const call of this.#calls(waiting)) void this.#run(lease, call);
  }

  #calls(waiting: readonly PendingJoin[]): PendingJoin[][] {
    const calls: PendingJoin[][] = [];
    const open = new Map<string, { readonly call: PendingJoin[]; members: number; characters: number }>();
    for (const pending of waiting) {
      const { keys, entries } = pending.join;
      const target = this.#parts.isSharded ? keys.index : "";
      const characters = charactersOf(pending.join);
      const known = open.get(target);
      const isFull =
        known === undefined ||
        known.members + entries.length > MEMBERS_MAX ||
        known.characters + characters > CHARACTERS_MAX;
      if (isFull) {
        const call = [pending];
        calls.push(call);
        open.set(target, { call, members: entries.length, characters });
      } else {
        known.call.push(pending);
        known.members += entries.length;
        known.characters += characters;
      }
    }
    return calls;
  }

  async #run(lease: Lease, call: readonly PendingJoin[]): Promise<void> {
    const { commands, connectionTtlMs: ttlMs, roomRecordTtlMs: recordTtlMs, publishCommand } = this.#parts;
    const joins = call.map(({ join }) => join);
    try {
      const input = { fenceMs: lease.expiresAtMs, publishCommand, ttlMs, recordTtlMs, joins };
      const outcomes = await commands.run(roomJoin, input, joins.length);
      for (const [i, { join, resolve, reject }] of call.entries()) {
        const outcome = outcomes?.[i];
        if (outcome instanceof Error) reject(commands.partFailure(outcome, roomKeys(join.keys)));
        else resolve(outcome === 1);
      }
    } catch (error) {
      for (const { reject } of call) reject(error);
    }
  }
}

function charactersOf({ value = "", entries }: RoomJoin): number {
  return entries.reduce((sum, { metadata }) => sum + metadata.length, value.length);
}
