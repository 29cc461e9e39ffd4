/** Options of {@link runPaced}. */
export interface PaceOptions {
  /** Calls per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Returns whether a message was sent; an unsent one is not retried. */
  readonly send: () => boolean;
  readonly signal: AbortSignal | undefined;
  /** Monotonic time in milliseconds. */
  readonly now: () => number;
}

/** How well the pace was kept. */
export interface PaceReport {
  readonly sent: number;
  /** Sends that were due and not attempted, because the driver was too late. */
  readonly late: number;
  /** Sends that were attempted without success. */
  readonly blocked: number;
  /** The maximum delay of the pacer. */
  readonly maxLagMs: number;
}

/** The pacer catches up on at most this much time; older sends are given up. */
const CATCH_UP_MS = 250;

/** The resolution of timers. */
const TICK_MS = 1;

/**
 * Sends evenly: each tick performs the sends that became due since the last one, measured from the start, so
 * that a late tick causes no permanent shift. Resolves when the time is over.
 */
export function runPaced({ rate, seconds, send, signal, now }: PaceOptions): Promise<PaceReport> {
  const startedAt = now();
  const planned = Math.round(rate * seconds);
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
      const due = Math.min(planned, Math.floor(((at - startedAt) * rate) / 1000));
      if (due - done > catchUp) {
        late += due - catchUp - done;
        done = due - catchUp;
      }
      for (; done < due; done++) {
        if (send()) sent++;
        else blocked++;
      }
      if (at - startedAt >= seconds * 1000 || signal?.aborted === true) {
        resolve({ sent, late, blocked, maxLagMs });
      } else setTimeout(tick, TICK_MS);
    };
    tick();
  });
}
