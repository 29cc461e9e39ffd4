/** Upper bounds of the buckets for numbers of receivers, and for durations of hooks in seconds. */
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

/** A histogram: counts values in buckets with fixed upper bounds. Recording a value takes a few comparisons. */
export class Histogram {
  readonly #bounds: readonly number[];
  /**
   * Number of values in each bucket: those up to its bound and above the bound before. The last has no upper bound.
   */
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

  /** The number of all values up to each bound, as in the Prometheus text format; the last bound is `+Inf`. */
  buckets(): { readonly le: string; readonly count: number }[] {
    let count = 0;
    return this.#counts.map((values, index) => {
      count += values;
      return { le: String(this.#bounds[index] ?? "+Inf"), count };
    });
  }
}

/** Values that the gateway records for its metrics while it works, even if no metrics are read. */
export class RecordedMetrics {
  /** Number of receivers on this server of each message to a room, and of each message to a user. */
  readonly receivers = { room: new Histogram(RECEIVERS), user: new Histogram(RECEIVERS) } as const;
  /**
   * Durations of hooks in seconds, by hook, with `authenticate` and `refresh`. A hook that misses `hookTimeoutMs`
   * is recorded with that time.
   */
  readonly hooks = new Map<string, Histogram>();

  /** Number of refused tokens, by reason. */
  readonly tokensRefused = new Map<string, number>(TOKEN_REASONS.map((reason) => [reason, 0]));

  /** Counts a refused token under its reason, or under `other`, so that the number of reasons is bounded. */
  tokenRefused(reason: unknown): void {
    const known = TOKEN_REASONS.find((each) => each === reason) ?? "other";
    this.tokensRefused.set(known, (this.tokensRefused.get(known) ?? 0) + 1);
  }

  /** Records how long a hook took. `name` is the name of a hook, of which there are few. */
  hookTook(name: string, ms: number): void {
    let times = this.hooks.get(name);
    if (times === undefined) {
      times = new Histogram(HOOK_SECONDS);
      this.hooks.set(name, times);
    }
    times.record(ms / 1000);
  }
}
