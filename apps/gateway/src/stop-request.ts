/** A request by a signal or the parent process to end this process. */
export interface StopRequest {
  /**
   * Aborted when this process must end. The abort reason is the signal, `hurry`, or `disconnect` if the parent
   * process is gone, because no other process would then end this one.
   */
  readonly stop: AbortSignal;
  /** Aborted, after `stop`, when the process must end without draining. */
  readonly hurry: AbortSignal;
}

/** Message of the parent process that requests an end without a drain. */
export const HURRY = "hurry";

/**
 * A second signal counts only this many milliseconds after the first: a terminal sends Ctrl-C to every
 * foreground process, and a program like npm then forwards its own as well.
 */
const SECOND_SIGNAL_AFTER_MS = 500;

/**
 * Signals that request an end. A terminal sends SIGHUP when it is closed; Node.js resets the handling of SIGHUP
 * even under `nohup`, so the process can't rely on the signal being ignored.
 */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP"];

/**
 * Listens for signals and for the parent process. Must be called before any large module is loaded: until then a
 * signal kills the process.
 */
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
  // Stop at once if the parent is already gone. Without a channel to a parent, `connected` is `undefined`.
  if (process.connected === false) onHurry("disconnect");
  return { stop: stop.signal, hurry: hurry.signal };
}

/** Resolves when the signal is aborted. */
export function stopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
}
