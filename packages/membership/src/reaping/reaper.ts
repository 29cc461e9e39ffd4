import { setTimeout } from "node:timers/promises";
import type { CmError } from "@cm/protocol";
import { membershipShutDown } from "../membership-shut-down.js";
import type { MembershipStore } from "../options.js";
import { PermanentErrors } from "../projection/permanent-errors.js";
import { DeadServerCleanup } from "./dead-server-cleanup.js";
import { HeldClaim } from "./held-claim.js";

/** Number of dead servers that one server cleans up after concurrently; others can claim the rest. */
const SERVERS_AT_ONCE = 2;

/** Maximum time that a shutdown waits for cleanups in progress, in milliseconds: most take less. */
const STOP_AFTER_MS = 2_000;

/** Options of {@link Reaper}. */
export interface ReaperOptions {
  readonly store: MembershipStore;
  /** Identifies this process among the reapers. */
  readonly claimant: string;
  /** Duration of a claim, in milliseconds. If a reaper dies, another one continues after this time. */
  readonly claimMs: number;
  /** Called when this server has claimed a dead server and is about to clean up after it. */
  readonly onClaimed: (serverId: string) => void;
  /** Called once for each different error with which the store permanently refuses to remove an entry. */
  readonly onRefused: (error: CmError) => void;
}

/**
 * Cleans up after dead servers: removes their members from rooms and their connections from users, then
 * their records, then their registrations. Works in small steps, so that the store is never blocked for
 * long. Records are removed after users and rooms, so that another reaper can find unfinished ones. Claims
 * are extended as long as the cleanup runs. Entries that the store refuses permanently to remove, such as
 * a key of another type, are reported and left in place.
 */
export class Reaper {
  readonly #options: ReaperOptions;
  readonly #underWay = new Map<string, Promise<number | undefined>>();
  /**
   * Servers whose cleanup failed here, with the monotonic time in milliseconds until which they are left to
   * other reapers.
   */
  readonly #postponed = new Map<string, number>();
  readonly #stopped = new AbortController();
  #isStopping = false;
  #reaped = 0;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Number of dead servers whose cleanup was completed. */
  get reapedServers(): number {
    return this.#reaped;
  }

  /**
   * Cleans up after one server; concurrent calls share one cleanup. Resolves with the number of removed
   * connections, or `undefined` if there was nothing to claim or another server has taken over.
   */
  reap(serverId: string): Promise<number | undefined> {
    if (this.#isStopping) return Promise.reject(membershipShutDown());
    const running = this.#underWay.get(serverId);
    if (running !== undefined) return running;
    const reaping = this.#reap(serverId).finally(() => this.#underWay.delete(serverId));
    this.#underWay.set(serverId, reaping);
    return reaping;
  }

  /**
   * Cleans up after the given servers, in random order, so that several reapers begin with different servers. Skips
   * servers that another reaper has claimed. Failures go to `onError` and do not stop the other cleanups. A server
   * whose cleanup failed is left to other reapers for twice the duration of a claim: if this reaper is cut off from
   * the store, it should not hold the claim. Resolves with the number of removed connections.
   */
  async reapAll(serverIds: readonly string[], onError: (cause: unknown) => void): Promise<number> {
    const now = performance.now();
    for (const [serverId, untilMs] of this.#postponed) if (untilMs <= now) this.#postponed.delete(serverId);
    const waiting = shuffled(serverIds.filter((serverId) => !this.#postponed.has(serverId)));
    let connections = 0;
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (this.#isStopping) return;
        try {
          connections += (await this.reap(next)) ?? 0;
        } catch (cause) {
          this.#postponed.set(next, performance.now() + 2 * this.#options.claimMs);
          onError(cause);
        }
      }
    };
    await Promise.all(Array.from({ length: SERVERS_AT_ONCE }, work));
    return connections;
  }

  /**
   * Starts no further cleanup, and aborts those in progress if they take long. Another server completes them
   * when the claims have expired; until then, no process can start under the dead server's id.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const underWay = Promise.allSettled(this.#underWay.values());
    const patience = new AbortController();
    await Promise.race([
      underWay,
      setTimeout(STOP_AFTER_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    this.#stopped.abort(membershipShutDown());
    await underWay;
  }

  async #reap(serverId: string): Promise<number | undefined> {
    const { store, claimMs, claimant, onClaimed, onRefused } = this.#options;
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    const claim = await HeldClaim.take(serverId, { servers: store.upkeep.servers, claimant, claimMs });
    if (claim === undefined) return undefined;
    onClaimed(serverId);
    const permanentErrors = new PermanentErrors(onRefused);
    const connections = await new DeadServerCleanup({ store, claim, permanentErrors, signal }).run();
    if (connections === undefined) return undefined;
    // Extend the claim first: under an expired claim, `unregister` does nothing and reports no error.
    const last = await claim.extended();
    if (last === undefined) return undefined;
    await store.servers.unregister(last.claim);
    this.#reaped++;
    return connections;
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const placed = items.map((item) => ({ item, place: Math.random() }));
  return placed.sort((left, right) => left.place - right.place).map(({ item }) => item);
}
