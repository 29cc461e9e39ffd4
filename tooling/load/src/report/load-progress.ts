/** The progress of a run, reported once a second. */
export interface LoadProgress {
  readonly phase: "connecting" | "warming-up" | "publishing" | "settling";
  /** Time since the start of the phase. */
  readonly elapsedSeconds: number;
  /** Number of members that have joined and are still connected. */
  readonly connections: number;
  readonly publishedPerSecond: number;
  readonly deliveredPerSecond: number;
  /** Median latency over the last second. */
  readonly p50Ms: number;
  /** 99th percentile of the latency over the last second. */
  readonly p99Ms: number;
}

/** Formats the progress as one line of at most 100 columns. */
export function formatProgress(progress: LoadProgress): string {
  const { phase, elapsedSeconds, connections, publishedPerSecond, deliveredPerSecond, p50Ms, p99Ms } = progress;
  const seconds = `${elapsedSeconds.toFixed(0)}s`.padStart(5);
  return (
    `${phase.padEnd(10)} ${seconds}  ${connections} connections  ${publishedPerSecond.toFixed(0)} published/s  ` +
    `${deliveredPerSecond.toFixed(0)} delivered/s  p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms`
  );
}
