/**
 * Aborted when this process is to end, with the reason: a signal, or that the process
 * which started this one is gone, since nobody would be left to end it.
 *
 * To be called first of all, before anything heavy is loaded: until then a signal kills.
 */
export function listenForStop(): AbortSignal {
  const controller = new AbortController();
  // Aborting again changes nothing, so neither does a second signal.
  const stop = (reason: string): void => controller.abort(reason);
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("disconnect", () => stop("disconnect"));
  // Gone already; without any channel to a parent this is undefined.
  if (process.connected === false) stop("disconnect");
  return controller.signal;
}

/** Resolves when the signal is aborted. */
export function stopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
}
