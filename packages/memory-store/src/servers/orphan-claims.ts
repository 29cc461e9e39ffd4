import { holderName, type ServerIncarnation } from "@cm/protocol";

/** Maximum number of claims that are kept: far more than there are orphans at a time. */
const CLAIMS_MAX = 1_000;

/**
 * The claims to clean up after orphans. Expired claims are kept as well, up to the maximum, so that an orphan
 * that acquires its lease again learns that it was claimed.
 */
export class OrphanClaims {
  readonly #now: () => number;
  /** When the claim on each orphan expires. The orphan that was claimed least recently comes first. */
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Gives or extends a claim. Returns when it expires, which is never earlier than an earlier call returned. */
  add(holder: ServerIncarnation, claimMs: number): number {
    const key = holderName(holder);
    const untilMs = Math.max(this.#now() + claimMs, this.#until.get(key) ?? 0);
    this.#until.delete(key);
    this.#until.set(key, untilMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > CLAIMS_MAX && oldest !== undefined) this.#until.delete(oldest);
    return untilMs;
  }

  /** Whether there is a claim on the orphan that has not expired. */
  runs(holder: ServerIncarnation): boolean {
    return (this.#until.get(holderName(holder)) ?? 0) > this.#now();
  }

  /** Removes the claim on an orphan, expired or not. Returns whether there was one. */
  take(holder: ServerIncarnation): boolean {
    return this.#until.delete(holderName(holder));
  }
}
