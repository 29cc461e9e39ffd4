import { CmError, isCmError, toCmError } from "@cm/protocol";
import type { LeaseKeeper } from "./lease-keeper.js";
import type { Projection, Removal } from "./projection.js";

/** Removals kept for a store that is away; beyond it the oldest are left to the time to live. */
const MAX_PENDING = 100_000;

/** Removals tried at a time. */
const BATCH = 200;

/** A removal that the store refuses so often, while it takes others, is given up. */
const MAX_REFUSALS = 5;

/**
 * What the store still has to forget. A removal that fails is tried again after later
 * heartbeats, so that the callers of `close` and `leave` need not care.
 */
export class Removals {
  readonly #keeper: LeaseKeeper;
  readonly #projection: Projection;
  readonly #onError: (error: CmError) => void;
  /** Failed removals with the number of times that the store refused them. */
  readonly #pending = new Map<Removal, number>();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(keeper: LeaseKeeper, projection: Projection, onError: (error: CmError) => void) {
    this.#keeper = keeper;
    this.#projection = projection;
    this.#onError = onError;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Removes now, or later where that fails. Resolves when the connection's places are
   * gone (one round trip) or the removal was kept for later; its record follows.
   */
  async run(removal: Removal): Promise<void> {
    const places = this.#track(this.#keeper.write((lease) => this.#projection.removePlaces(lease, removal)));
    try {
      await places;
    } catch (cause) {
      this.later(removal);
      this.#report(cause);
      return;
    }
    this.#track(this.#keeper.write((lease) => this.#projection.updateRecord(lease, removal))).catch(
      (cause: unknown) => {
        this.later(removal);
        this.#report(cause);
      },
    );
  }

  /** Keeps a removal for after a later heartbeat. */
  later(removal: Removal): void {
    this.#pending.set(removal, this.#pending.get(removal) ?? 0);
    if (this.#pending.size <= MAX_PENDING) return;
    const [oldest] = this.#pending.keys();
    if (oldest !== undefined) this.#pending.delete(oldest);
  }

  /** Tries what failed before; ends early where the store is still away. */
  async retry(): Promise<void> {
    const waiting = [...this.#pending.keys()];
    for (let from = 0; from < waiting.length; from += BATCH) {
      const results = await Promise.all(waiting.slice(from, from + BATCH).map((removal) => this.#retry(removal)));
      if (results.includes("store-away")) return;
    }
  }

  /** Waits for what is under way, and tries once more what failed. Whether nothing is left. */
  async finish(): Promise<boolean> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.retry();
    return this.#pending.size === 0;
  }

  async #retry(removal: Removal): Promise<"settled" | "refused" | "store-away"> {
    try {
      await this.#keeper.write((lease) => this.#projection.removePlaces(lease, removal));
      await this.#keeper.write((lease) => this.#projection.updateRecord(lease, removal));
    } catch (cause) {
      if (isCmError(cause) && cause.retryable) return "store-away";
      return this.#refused(removal, cause);
    }
    this.#pending.delete(removal);
    return "settled";
  }

  #refused(removal: Removal, cause: unknown): "refused" {
    const refusals = (this.#pending.get(removal) ?? 0) + 1;
    if (refusals < MAX_REFUSALS) {
      this.#pending.set(removal, refusals);
    } else {
      this.#pending.delete(removal);
      const { connectionId } = removal.connection;
      const details = { connectionId, rooms: removal.rooms };
      this.#onError(new CmError("internal", "The store refuses a removal; it was given up.", { cause, details }));
    }
    return "refused";
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const settled = (): void => {
      this.#underWay.delete(work);
    };
    work.then(settled, settled);
    return work;
  }

  #report(cause: unknown): void {
    this.#onError(toCmError(cause, "internal", "A removal failed; it is tried again."));
  }
}
