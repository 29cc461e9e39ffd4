import type { Redis } from "ioredis";

type Stream = Redis["stream"];

const corked = new Set<Stream>();

/**
 * Lets the commands of a turn of the event loop share a write: they are held until what came in
 * over the network has been read. A system call costs more than the command itself, and a loop
 * that serves many clients reads several of their requests in a turn. A command that is alone in its
 * turn waits for nothing but that.
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
