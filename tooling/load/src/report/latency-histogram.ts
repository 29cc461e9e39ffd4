/** Latencies of a report, in milliseconds. All zero if nothing was recorded. */
export interface LatencySummary {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const SUB_BITS = 6;
const SUB_BUCKETS = 2 ** SUB_BITS;
/** Number of buckets. Values of about 2^37 microseconds (38 hours) and more share the last one. */
const BUCKETS = SUB_BUCKETS * 32;

/**
 * Counts latencies in buckets whose width is at most 1/64 of their values, or 1 microsecond, so that a quantile is
 * at most 1.6 % too high. Takes 16 KiB for any number of values.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;
  #maxUs = 0;

  get count(): number {
    return this.#total;
  }

  record(latencyUs: number): void {
    const index = bucketOf(latencyUs);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total++;
    if (latencyUs > this.#maxUs) this.#maxUs = latencyUs;
  }

  /**
   * Returns the upper bound of the bucket that the quantile lies in, at most the maximum, in milliseconds; 0
   * without values.
   */
  quantileMs(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= wanted) return Math.min(upperBoundUs(index), this.#maxUs) / 1000;
    }
    return 0;
  }

  summary(): LatencySummary {
    return {
      p50: this.quantileMs(0.5),
      p90: this.quantileMs(0.9),
      p99: this.quantileMs(0.99),
      p999: this.quantileMs(0.999),
      max: this.#maxUs / 1000,
    };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#maxUs = 0;
  }
}

function bucketOf(valueUs: number): number {
  if (valueUs < SUB_BUCKETS) return Math.max(0, Math.trunc(valueUs));
  const exponent = Math.floor(Math.log2(valueUs)) - SUB_BITS;
  const bucket = exponent * SUB_BUCKETS + Math.trunc(valueUs / 2 ** exponent);
  return Math.min(bucket, BUCKETS - 1);
}

function upperBoundUs(bucket: number): number {
  if (bucket < SUB_BUCKETS * 2) return bucket + 1;
  const exponent = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (bucket - exponent * SUB_BUCKETS + 1) * 2 ** exponent;
}
