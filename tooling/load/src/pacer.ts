/** What {@link runPaced} does. */
export interface PaceOptions {
  /** Calls a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Says whether something was sent; what was not is not tried again. */
  readonly send: () => boolean;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** How well the pace was kept. */
export interface PaceReport {
  readonly sent: number;
  /** What was due and not tried, because the driver was too late. */
  readonly late: number;
  /** What was tried and could not be sent. */
  readonly blocked: number;
  /** The longest that the pacer came late. */
  readonly maxLagMs: number;
}

/** What has become due over a longer time than this is given up and not caught up with. */
const CATCH_UP_MS = 250;

/** Timers are no finer than this. */
const TICK_MS = 1;

/**
 * Sends evenly: at each tick what has become due since the last, measured against the
 * start, so that a late tick shifts nothing for good. Resolves when the time is over.
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
