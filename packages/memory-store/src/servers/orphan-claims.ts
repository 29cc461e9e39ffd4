import type { ServerIncarnation } from "@cm/protocol";

/** How many are kept: far more than servers are lost without a trace. */
const CLAIMS_MAX = 1_000;

/** Until when others may remove what unknown holders have left; those that ran out are kept for a while. */
export class OrphanClaims {
  readonly #now: () => number;
  /** In the order of the latest claims. */
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Gives, or extends, the right; when it ends, which is never earlier than was said before. */
  add(holder: ServerIncarnation, claimMs: number): number {
    const key = keyOf(holder);
    const untilMs = Math.max(this.#now() + claimMs, this.#until.get(key) ?? 0);
    this.#until.delete(key);
    this.#until.set(key, untilMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > CLAIMS_MAX && oldest !== undefined) this.#until.delete(oldest);
    return untilMs;
  }

  /** Whether the right is in effect. */
  runs(holder: ServerIncarnation): boolean {
    return (this.#until.get(keyOf(holder)) ?? 0) > this.#now();
  }

  /** Whether the right was given; reports it once. */
  take(holder: ServerIncarnation): boolean {
    return this.#until.delete(keyOf(holder));
  }
}

function keyOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}
