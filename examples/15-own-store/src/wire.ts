/*
 * What goes over the connection between a store and its hub: lines of JSON. The store asks, and the hub
 * answers each question once, in any order; messages of channels come in between.
 */
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

/** A call: its number, the part of the store, the name, what it is given. */
export type Question = readonly [id: number, part: string, call: string, args: readonly unknown[]];

/** What the hub sends. The value of a call that gives nothing is null; bytes are base64. */
export type Reply =
  | readonly ["value", id: number, value: unknown]
  | readonly [
      "error",
      id: number,
      error: { code: string; message: string; details?: Readonly<Record<string, unknown>> },
    ]
  | readonly ["message", subscription: number, bytes: string];

/** A peer that lets this much wait, in bytes, does not read: its connection is cut. */
const WAITING_MAX_BYTES = 64 * 1_048_576;

/** Writes one line. */
export function send(socket: Socket, line: Question | Reply): void {
  socket.write(`${JSON.stringify(line)}\n`);
  if (socket.writableLength > WAITING_MAX_BYTES) socket.destroy();
}

/** Calls back for each line. One that is no JSON ends the connection. */
export function onLine<T extends Question | Reply>(socket: Socket, take: (line: T) => void): void {
  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (text) => {
    let line: T;
    try {
      line = JSON.parse(text) as T; // Both ends are this program.
    } catch {
      socket.destroy();
      return;
    }
    take(line);
  });
}
