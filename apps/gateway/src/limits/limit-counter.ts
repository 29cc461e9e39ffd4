/** Limits of a gateway, beside those of its transport. */
export type LimitName = (typeof LIMITS)[number];

const LIMITS = [
  "fan-out",
  "server-fan-out",
  "unread-answers",
  "memberships",
  "server-rooms",
  "connections-per-user",
] as const;

/** How often each limit was met. */
export class LimitCounter {
  readonly #counts: Record<LimitName, number> = Object.assign(
    Object.create(null),
    Object.fromEntries(LIMITS.map((name) => [name, 0])),
  );

  count(name: LimitName): void {
    this.#counts[name]++;
  }

  /** Every limit, also those that were never met. */
  counts(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }
}
