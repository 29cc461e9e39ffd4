/** Options of {@link runPaced}. */
export interface PaceOptions {
  /** Calls per second. */
  readonly rate: number;
  /** Number of calls that are due at the same time. Default 1. */
  readonly burst?: number;
  readonly seconds: number;
  /**
   * Sends a message that was due at this time on the clock of `now`, and returns whether it was sent. A message that
   * was not sent is not retried.
   */
  readonly send: (dueAtMs: number) => boolean;
  readonly signal: AbortSignal | undefined;
  /** Returns the time in milliseconds on a monotonic clock. */
  readonly now: () => number;
}

/** Describes how well the pace was kept. */
export interface PaceReport {
  readonly sent: number;
  /** Number of sends that were due but not attempted, because the driver was too late. */
  readonly late: number;
  /** Number of sends that were attempted without success. */
  readonly blocked: number;
  /** Longest time by which the pacer was late, in milliseconds. */
  readonly maxLagMs: number;
}

/** Maximum time that the pacer catches up on, in milliseconds; sends that were due earlier are given up. */
const CATCH_UP_MS = 250;

/** Interval of the pacer's ticks, in milliseconds: the resolution of timers. */
const TICK_MS = 1;

/**
 * Sends evenly: each tick performs the sends that have become due since the last tick. The times at which sends
 * are due are measured from the start, so that a late tick does not delay all later sends. Resolves when the time
 * is over or `signal` was aborted.
 */
export function runPaced({ rate, burst = 1, seconds, send, signal, now }: PaceOptions): Promise<PaceReport> {
  const startedAt = now();
  const planned = Math.round(rate * seconds);
  const dueAt = (call: number) => startedAt + ((Math.trunc(call / burst) + 1) * burst * 1000) / rate;
  const catchUp = Math.max(1, Math.ceil((rate * CATCH_UP_MS) / 1000));
  let done = 0;
  let sent = 0;
  let late = 0;
  let blocked = 0;
  let maxLagMs = 0;
  let lastTickAt = startedAt;
  return new Promise((resolve) => {
    const tick = () => {
      const at = now();
      maxLagMs = Math.max(maxLagMs, at - lastTickAt - TICK_MS);
      lastTickAt = at;
      const due = Math.min(planned, Math.floor(((at - startedAt) * rate) / 1000 / burst) * burst);
      if (due - done > catchUp) {
        late += due - catchUp - done;
        done = due - catchUp;
      }
      for (; done < due; done++) {
        if (send(dueAt(done))) sent++;
        else blocked++;
      }
      if (at - startedAt >= seconds * 1000 || signal?.aborted === true) {
        resolve({ sent, late, blocked, maxLagMs });
      } else setTimeout(tick, TICK_MS);
    };
    tick();
  });
}
