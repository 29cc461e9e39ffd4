import type { ServerIncarnation } from "@cm/protocol";

/** Maximum number of claims that are kept: far more than the number of servers lost without a trace. */
const CLAIMS_MAX = 1_000;

/**
 * The claims to remove the leftovers of unknown holders. Expired claims are kept as well, up to the maximum.
 */
export class OrphanClaims {
  readonly #now: () => number;
  /** When each claim expires, in the order of the latest claims. */
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Gives or extends a claim. Returns when it expires, which is never earlier than returned before. */
  add(holder: ServerIncarnation, claimMs: number): number {
    const key = keyOf(holder);
    const untilMs = Math.max(this.#now() + claimMs, this.#until.get(key) ?? 0);
    this.#until.delete(key);
    this.#until.set(key, untilMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > CLAIMS_MAX && oldest !== undefined) this.#until.delete(oldest);
    return untilMs;
  }

  /** Whether the claim has not expired. */
  runs(holder: ServerIncarnation): boolean {
    return (this.#until.get(keyOf(holder)) ?? 0) > this.#now();
  }

  /** Removes a claim. Returns whether there was one. */
  take(holder: ServerIncarnation): boolean {
    return this.#until.delete(keyOf(holder));
  }
}

function keyOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
