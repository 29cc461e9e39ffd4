import { setTimeout } from "node:timers/promises";
import { CmError } from "@cm/protocol";
import type { MembershipStore } from "../options.js";
import { PermanentErrors } from "../projection/permanent-errors.js";
import { DeadServerCleanup } from "./dead-server-cleanup.js";
import { HeldClaim } from "./held-claim.js";

/** Dead servers that one server cleans up after at a time; others find the rest free. */
const SERVERS_AT_ONCE = 2;

/** How long a shutdown waits for what is under way: most dead servers are cleaned up after in this time. */
const STOP_AFTER_MS = 2_000;

/** What a {@link Reaper} needs. */
export interface ReaperOptions {
  readonly store: MembershipStore;
  /** Names this process among those that clean up. */
  readonly claimant: string;
  /** How long a claim lasts, in milliseconds: this long after a reaper has died, another goes on. */
  readonly claimMs: number;
  /** A dead server was claimed by this one, and is about to be cleaned up after. */
  readonly onClaimed: (serverId: string) => void;
  /** Something of a dead server could not be taken away for good; called once for each such thing. */
  readonly onRefused: (error: CmError) => void;
}

/**
 * Cleans up after dead servers: their members out of rooms, their connections off their
 * users, their records away, then their registration. In small steps, so that the store is
 * never held for long; records go last, so that a successor finds again what was not finished. Claims are extended for as long as it takes. What the store refuses for good,
 * such as a key that something else lies under, is told and left alone.
 */
export class Reaper {
  readonly #options: ReaperOptions;
  readonly #underWay = new Map<string, Promise<number | undefined>>();
  /** Until when servers are left to others that this one has failed with, in milliseconds of the monotonic clock. */
  readonly #left = new Map<string, number>();
  readonly #stopped = new AbortController();
  #isStopping = false;
  #reaped = 0;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  /** Dead servers that were cleaned up after to the end. */
  get reapedServers(): number {
    return this.#reaped;
  }

  /**
   * Cleans up after one server, once however often it is called meanwhile. Resolves with the
   * number of connections that were removed; `undefined` where there was nothing to be
   * claimed, or another one has taken over.
   */
  reap(serverId: string): Promise<number | undefined> {
    if (this.#isStopping) return Promise.reject(new CmError("closed", "The membership was shut down."));
    const running = this.#underWay.get(serverId);
    if (running !== undefined) return running;
    const reaping = this.#reap(serverId).finally(() => this.#underWay.delete(serverId));
    this.#underWay.set(serverId, reaping);
    return reaping;
  }

  /**
   * Cleans up after those of the servers that are free. Survivors that find several dead
   * begin with different ones. Failures go to `onError`, leave the others to be done, and the
   * one that failed to another server: where this one is cut off, it should not hold the claim.
   */
  async reapAll(serverIds: readonly string[], onError: (cause: unknown) => void): Promise<number> {
    const now = performance.now();
    for (const [serverId, untilMs] of this.#left) if (untilMs <= now) this.#left.delete(serverId);
    const waiting = shuffled(serverIds.filter((serverId) => !this.#left.has(serverId)));
    let connections = 0;
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (this.#isStopping) return;
        try {
          connections += (await this.reap(next)) ?? 0;
        } catch (cause) {
          this.#left.set(next, performance.now() + 2 * this.#options.claimMs);
          onError(cause);
        }
      }
    };
    await Promise.all(Array.from({ length: SERVERS_AT_ONCE }, work));
    return connections;
  }

  /**
   * Begins with no other server, and ends what is under way if it takes long: another server finds
   * the rest when the claims have run out, and until then none can start under the dead one's id.
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
    this.#stopped.abort(new CmError("closed", "The membership was shut down."));
    await underWay;
  }

  async #reap(serverId: string): Promise<number | undefined> {
    const { store, claimMs, claimant, onClaimed, onRefused } = this.#options;
    const { signal } = this.#stopped;
    const { servers } = store.upkeep;
    signal.throwIfAborted();
    const claim = await HeldClaim.take(serverId, { servers, claimant, claimMs });
    if (claim === undefined) return undefined;
    onClaimed(serverId);
    const refusals = new PermanentErrors(onRefused);
    const connections = await new DeadServerCleanup({ store, claim, refusals, signal }).run();
    if (connections === undefined) return undefined;
    // Extended so that time is left: `unregister` does not say whether it came too late.
    const last = await claim.extended();
    if (last === undefined) return undefined;
    await servers.unregister(last.claim);
    this.#reaped++;
    return connections;
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const placed = items.map((item) => ({ item, place: Math.random() }));
  return placed.sort((left, right) => left.place - right.place).map(({ item }) => item);
}
