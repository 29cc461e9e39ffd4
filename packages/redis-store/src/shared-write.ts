import type { Redis } from "ioredis";

type Stream = Redis["stream"];

const corked = new Set<Stream>();

/**
 * Holds a connection's writes until the end of this turn of the event loop, so that all
 * commands of the turn go out in one. A system call costs more than the command itself.
 */
export function shareWrite(redis: Redis): void {
  const { stream } = redis;
  // There is none before the first connection; the command is refused or queued then.
  if (stream === undefined || corked.has(stream)) return;
  if (corked.size === 0) setImmediate(release);
  corked.add(stream);
  stream.cork();
}

function release(): void {
  const streams = [...corked];
  corked.clear();
  for (const stream of streams) stream.uncork();
}
