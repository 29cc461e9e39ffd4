import type { Redis } from "ioredis";

type Stream = Redis["stream"];

/** Commands that are further apart do not come from one burst. */
const BURST_GAP_MS = 0.05;

const corked = new Set<Stream>();
let lastAt = Number.NEGATIVE_INFINITY;

/**
 * Lets a burst of commands share its writes: from the second one on they are held until
 * the end of this turn of the event loop. A system call costs more than the command
 * itself; but a command alone is not made to wait, nor to pay for the holding.
 */
export function shareWrite(redis: Redis): void {
  const { stream } = redis;
  // There is none before the first connection; the command is refused or queued then.
  if (stream === undefined || corked.has(stream)) return;
  const now = performance.now();
  const isBurst = now - lastAt < BURST_GAP_MS;
  lastAt = now;
  if (!isBurst) return;
  if (corked.size === 0) setImmediate(release);
  corked.add(stream);
  stream.cork();
}

function release(): void {
  const streams = [...corked];
  corked.clear();
  for (const stream of streams) stream.uncork();
}
