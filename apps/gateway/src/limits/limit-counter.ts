/** The limits of a gateway, other than those of its transport. */
export type LimitName = (typeof LIMITS)[number];

const LIMITS = [
  "requests",
  "bytes",
  "faulty-frames",
  "pending",
  "rooms",
  "fan-out",
  "server-fan-out",
  "unread-answers",
  "memberships",
  "server-rooms",
  "connections-per-user",
  "hooks",
  "hook-time",
  "routes",
  "route-time",
] as const;

/** Counts how often each limit was reached. */
export class LimitCounter {
  readonly #counts: Record<LimitName, number> = Object.assign(
    Object.create(null),
    Object.fromEntries(LIMITS.map((name) => [name, 0])),
  );

  count(name: LimitName): void {
    this.#counts[name]++;
  }

  /** The counts of all limits, including those that were never reached. */
  counts(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }
}
