/** Upper bounds of the numbers of receivers, and of the times of hooks in seconds. */
const RECEIVERS = [1, 10, 100, 1_000, 10_000];
const HOOK_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5];

/**
 * Why tokens are refused: the reasons of `@cm/auth`; `revoked`; `replayed`, an older token than the connection's
 * present one; `another-user`, a token of another user than the connection's; `unavailable`, a token that can't be
 * checked now; `other` is a token that is missing, or an application's own reason.
 */
const TOKEN_REASONS = [
  "malformed",
  "too-long",
  "signature",
  "algorithm",
  "key-unknown",
  "expired",
  "not-yet-valid",
  "claim",
  "revoked",
  "replayed",
  "another-user",
  "unavailable",
  "other",
] as const;

/** How many values were at most as large as each of a few bounds. Recording a value takes a few comparisons. */
export class Distribution {
  readonly #bounds: readonly number[];
  /** Number of values above each bound and at most the next; the first element is for values up to the first bound. */
  readonly #counts: number[];
  #sum = 0;

  /** `bounds` are in ascending order. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  get sum(): number {
    return this.#sum;
  }

  record(value: number): void {
    let index = 0;
    while (value > (this.#bounds[index] ?? Number.POSITIVE_INFINITY)) index++;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** The number of values up to each bound, as in the Prometheus text format; the last bound is `+Inf`. */
  buckets(): { readonly le: string; readonly count: number }[] {
    let count = 0;
    return this.#counts.map((values, index) => {
      count += values;
      return { le: String(this.#bounds[index] ?? "+Inf"), count };
    });
  }
}

/** What the gateway measures for its metrics while it works, whether they are read or not. */
export class Measurements {
  /** Receivers on this server of messages to rooms and to users. */
  readonly receivers = { room: new Distribution(RECEIVERS), user: new Distribution(RECEIVERS) } as const;
  /** Seconds that hooks took to decide, by hook; a hook that misses its deadline counts with the deadline. */
  readonly hooks = new Map<string, Distribution>();

  /** Number of refused tokens, by reason. */
  readonly tokensRefused = new Map<string, number>(TOKEN_REASONS.map((reason) => [reason, 0]));

  /** Counts a refused token under its reason, or under `other`, so that the number of reasons is bounded. */
  tokenRefused(reason: unknown): void {
    const known = TOKEN_REASONS.find((each) => each === reason) ?? "other";
    this.tokensRefused.set(known, (this.tokensRefused.get(known) ?? 0) + 1);
  }

  /** Records how long a hook took. `name` is one of the few names of the gateway's hooks. */
  hookTook(name: string, ms: number): void {
    let times = this.hooks.get(name);
    if (times === undefined) {
      times = new Distribution(HOOK_SECONDS);
      this.hooks.set(name, times);
    }
    times.record(ms / 1000);
  }
}
