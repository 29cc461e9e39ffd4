import { lastAtTurnEnd, splitLongTurn } from "@cm/protocol/turns";
import type { Redis } from "ioredis";

type Stream = Redis["stream"];

/** The corked streams: one, or one for each master of a Cluster. */
let corked: Stream[] = [];

/**
 * Lets the commands of one turn of the event loop share a write: the stream is corked until the incoming
 * network data of this turn has been read. A system call costs more than the command itself, and an event
 * loop that serves many clients reads several of their requests per turn. A single command is delayed only
 * until the end of the turn.
 */
export function shareWrite(redis: Redis): void {
  const { stream } = redis;
  // There is no stream before the first connection; the command is then rejected or queued.
  if (stream === undefined) return;
  if (corked.includes(stream)) {
    splitLongTurn();
    return;
  }
  if (corked.length === 0) lastAtTurnEnd(release);
  corked.push(stream);
  stream.cork();
}

function release(): void {
  const streams = corked;
  corked = [];
  for (const stream of streams) stream.uncork();
}
