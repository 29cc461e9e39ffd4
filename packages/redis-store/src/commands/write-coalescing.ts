import type { Redis } from "ioredis";

type Stream = Redis["stream"];

const corked = new Set<Stream>();
let tasks: (() => void)[] = [];
let isScheduled = false;

/**
 * Lets the commands of one turn of the event loop share a write: the stream is corked until the incoming
 * network data of this turn has been read. A system call costs more than the command itself, and an event
 * loop that serves many clients reads several of their requests per turn. A single command is delayed only
 * until the end of the turn.
 */
export function shareWrite(redis: Redis): void {
  const { stream } = redis;
  // There is no stream before the first connection; the command is then rejected or queued.
  if (stream === undefined || corked.has(stream)) return;
  schedule();
  corked.add(stream);
  stream.cork();
}

/**
 * Calls the function at the end of the turn, before the turn's commands are written. The commands that it sends are
 * part of the same write. It must not throw.
 */
export function beforeWrite(task: () => void): void {
  schedule();
  tasks.push(task);
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(release);
}

function release(): void {
  const due = tasks;
  tasks = [];
  for (const task of due) task();
  isScheduled = false;
  const streams = [...corked];
  corked.clear();
  for (const stream of streams) stream.uncork();
}
