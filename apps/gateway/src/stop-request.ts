/** How a signal or the parent process asks this process to end. */
export interface StopRequest {
  /**
   * Aborted when this process is to end, with the reason: a signal, or that the parent
   * process is gone, since no process would be left to end this one.
   */
  readonly stop: AbortSignal;
  /** Aborted, after `stop`, when it is to end without taking time for its clients. */
  readonly hurry: AbortSignal;
}

/** What the process that started this one says where there is to be no drain. */
export const HURRY = "hurry";

/**
 * A second signal counts only this long after the first: a terminal sends Ctrl-C to
 * every foreground process, and a program like npm then forwards its own as well.
 */
const SECOND_SIGNAL_AFTER_MS = 500;

/**
 * Signals that ask for an end. A terminal that is closed sends SIGHUP; Node takes it back
 * from `nohup`, so that it can't be left ignored either.
 */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP"];

/** To be called first of all, before anything heavy is loaded: until then a signal kills. */
export function listenForStop(): StopRequest {
  const stop = new AbortController();
  const hurry = new AbortController();
  let stoppedAt = 0;
  const onStop = (reason: string): void => {
    if (!stop.signal.aborted) {
      stoppedAt = performance.now();
      stop.abort(reason);
    } else if (performance.now() - stoppedAt >= SECOND_SIGNAL_AFTER_MS) {
      hurry.abort(reason);
    }
  };
  const onHurry = (reason: string): void => {
    stop.abort(reason);
    hurry.abort(reason);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onStop);
  process.on("disconnect", () => onHurry("disconnect"));
  process.on("message", (message) => {
    if (message === HURRY) onHurry(HURRY);
  });
  // Gone already; without any channel to a parent this is undefined.
  if (process.connected === false) onHurry("disconnect");
  return { stop: stop.signal, hurry: hurry.signal };
}

/** Resolves when the signal is aborted. */
export function stopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
}
