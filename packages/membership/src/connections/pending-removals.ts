import { CmError, isCmError, type Lease, toCmError } from "@cm/protocol";
import type { LeaseKeeper } from "../lease/lease-keeper.js";
import { isPermanentError } from "../projection/permanent-errors.js";
import type { Projection, Removal } from "../projection/projection.js";
import type { OwnedConnection } from "./owned-connection.js";
import type { WriteGuard } from "./write-guard.js";

/**
 * Maximum number of removals kept while the store is unavailable. Beyond it, the oldest are dropped, and
 * reconciling removes their entries later.
 */
const MAX_PENDING = 100_000;

/** Number of removals retried concurrently. */
const BATCH = 200;

/** Number of refusals by the store after which a removal is given up. */
const MAX_REFUSALS = 5;

/**
 * Delay before the first retry, doubled after each failure up to MAX_RETRY_MS. It is short, because other clients
 * still see the members who left.
 */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/**
 * Removals that the store has not acknowledged yet. A failed removal is retried soon, and after every
 * heartbeat, so that the callers of `close` and `leave` need not handle failures.
 */
export class PendingRemovals {
  readonly #keeper: LeaseKeeper;
  readonly #projection: Projection;
  readonly #writeGuard: WriteGuard;
  readonly #onError: (error: CmError) => void;
  /** Failed removals, with the number of times that the store refused each. */
  readonly #pending = new Map<Removal, number>();
  readonly #underWay = new Set<Promise<unknown>>();
  #retrying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = FIRST_RETRY_MS;
  #finished = false;
  /**
   * Promises of the room removals in progress, by connection and room. A promise resolves when the store has
   * responded.
   */
  readonly #leaving = new WeakMap<OwnedConnection, Map<string, Promise<void>>>();

  constructor(keeper: LeaseKeeper, projection: Projection, writeGuard: WriteGuard, onError: (error: CmError) => void) {
    this.#keeper = keeper;
    this.#projection = projection;
    this.#writeGuard = writeGuard;
    this.#onError = onError;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Removes the entries from the store now, or keeps the removal for a retry if that fails. Resolves when the
   * connection's memberships are removed (one round trip) or the removal is kept; the connection's record is
   * updated afterwards.
   */
  async run(removal: Removal): Promise<void> {
    const memberships = this.#track(this.#removeMemberships(removal));
    // Mark the connection as changing, from this turn until its record is updated, because the record still
    // contains the removed rooms until then.
    const { connectionId } = removal.connection;
    this.#writeGuard.begin(connectionId);
    try {
      await memberships;
    } catch (cause) {
      this.later(removal);
      this.#writeGuard.end(connectionId);
      this.#report(cause);
      return;
    }
    this.#track(this.#write(removal, (lease) => this.#projection.updateRecord(lease, removal)))
      .catch((cause: unknown) => {
        this.later(removal);
        this.#report(cause);
      })
      .finally(() => this.#writeGuard.end(connectionId));
  }

  /** Keeps a removal for a retry. */
  later(removal: Removal): void {
    if (this.#pending.has(removal)) return;
    this.#pending.set(removal, 0);
    this.#writeGuard.begin(removal.connection.connectionId);
    if (this.#pending.size > MAX_PENDING) {
      const [oldest] = this.#pending.keys();
      if (oldest !== undefined) this.#drop(oldest);
    }
    this.#schedule();
  }

  /** Retries the failed removals; stops early if the store is still unavailable. Concurrent calls share one run. */
  retry(): Promise<void> {
    this.#retrying ??= this.#retryAll(false).finally(() => {
      this.#retrying = undefined;
      this.#schedule();
    });
    return this.#retrying;
  }

  #schedule(): void {
    if (this.#pending.size === 0) this.#delayMs = FIRST_RETRY_MS;
    if (this.#pending.size === 0 || this.#timer !== undefined || this.#finished) return;
    // Jitter: servers whose removals failed together must not retry together.
    const delayMs = this.#delayMs * (0.75 + Math.random() / 2);
    this.#delayMs = Math.min(2 * this.#delayMs, MAX_RETRY_MS);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.retry();
    }, delayMs);
    this.#timer.unref();
  }

  /**
   * Waits for removals in progress, then retries the failed ones once more and gives up those that the store
   * refuses permanently. Resolves with `true` if no removal is left.
   */
  async finish(): Promise<boolean> {
    this.#finished = true;
    clearTimeout(this.#timer);
    await this.#retrying;
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.#retryAll(true);
    return this.#pending.size === 0;
  }

  async #retryAll(isLast: boolean): Promise<void> {
    const waiting = [...this.#pending.keys()];
    for (let from = 0; from < waiting.length; from += BATCH) {
      const batch = waiting.slice(from, from + BATCH);
      const results = await Promise.all(batch.map((removal) => this.#retry(removal, isLast)));
      if (results.includes("store-away")) return;
    }
  }

  async #retry(removal: Removal, isLast: boolean): Promise<"settled" | "refused" | "store-away"> {
    const refusals = (this.#pending.get(removal) ?? 0) + 1;
    const isGivenUp = (cause: unknown): boolean => refusals >= MAX_REFUSALS || (isLast && isPermanentError(cause));
    let refusal: { readonly cause: unknown } | undefined;
    try {
      refusal = await this.#refusalOf(() => this.#removeMemberships(removal));
      if (refusal === undefined || isGivenUp(refusal.cause)) {
        // Update the record even if the memberships could not be removed: the store would also refuse
        // another server that found them through the record.
        const ofRecord = await this.#refusalOf(() =>
          this.#write(removal, (lease) => this.#projection.updateRecord(lease, removal)),
        );
        refusal ??= ofRecord;
      }
    } catch {
      return "store-away";
    }
    if (refusal === undefined) {
      this.#drop(removal);
      return "settled";
    }
    if (isGivenUp(refusal.cause)) {
      this.#drop(removal);
      this.#reportGivenUp(removal, refusal.cause);
    } else {
      this.#pending.set(removal, refusals);
    }
    return "refused";
  }

  /**
   * Runs a write. Resolves with the error with which the store refuses the write permanently, or with
   * `undefined` if the write succeeds. Rejects if the error is retryable.
   */
  async #refusalOf(write: () => Promise<void>): Promise<{ readonly cause: unknown } | undefined> {
    try {
      await write();
      return undefined;
    } catch (cause) {
      if (isCmError(cause) && cause.retryable) throw cause;
      return { cause };
    }
  }

  #reportGivenUp({ connection: { connectionId }, rooms }: Removal, cause: unknown): void {
    const details = { connectionId, rooms };
    this.#onError(
      new CmError("internal", "The store refused a removal permanently; the removal was dropped.", { cause, details }),
    );
  }

  #drop(removal: Removal): void {
    if (this.#pending.delete(removal)) this.#writeGuard.end(removal.connection.connectionId);
  }

  /**
   * Returns a promise for the removal of the connection from the room, or `undefined` if no such removal is in
   * progress. The promise resolves when the store has responded, or can no longer respond. A join of the same room
   * waits for the promise: two writes may reach the store in a different order than they were sent, for example if
   * one is resent after a failover, and a leave that arrives after the later join would announce that the member is
   * gone.
   */
  ofRoom(connection: OwnedConnection, room: string): Promise<void> | undefined {
    return this.#leaving.get(connection)?.get(room);
  }

  #removeMemberships(removal: Removal): Promise<void> {
    const { connection, rooms } = removal;
    const write = this.#write(removal, (lease) => this.#projection.removeMemberships(lease, removal));
    if (rooms.length === 0 || !this.#projection.isOpen(connection)) return write;
    const leaving = this.#leaving.get(connection) ?? new Map<string, Promise<void>>();
    this.#leaving.set(connection, leaving);
    const settled = (): void => {
      for (const room of rooms) if (leaving.get(room) === answered) leaving.delete(room);
      if (leaving.size === 0 && this.#leaving.get(connection) === leaving) this.#leaving.delete(connection);
    };
    const answered = write.then(settled, settled);
    for (const room of rooms) leaving.set(room, answered);
    return write;
  }

  #write(removal: Removal, write: (lease: Lease) => Promise<void>): Promise<void> {
    return this.#writeGuard.run(removal.connection.connectionId, () => this.#keeper.write(write));
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
    this.#onError(toCmError(cause, "internal", "A removal failed; it will be retried."));
  }
}
