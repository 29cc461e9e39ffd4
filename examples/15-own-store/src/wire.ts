/*
 * The protocol between a store and its hub: lines of JSON. The store asks, and the hub answers each question once,
 * in any order. Messages of channels come between the answers.
 */
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

/** A call: its number, the part of the store, the call's name and its arguments. */
export type Question = readonly [id: number, part: string, call: string, args: readonly unknown[]];

/** What the hub sends. The value of a call without a result is null; bytes are base64. */
export type Reply =
  | readonly ["value", id: number, value: unknown]
  | readonly [
      "error",
      id: number,
      error: { code: string; message: string; details?: Readonly<Record<string, unknown>> },
    ]
  | readonly ["message", subscription: number, bytes: string];

/** Maximum number of bytes that wait for a peer to read them. If more wait, the connection is cut. */
const WAITING_MAX_BYTES = 64 * 1_048_576;

/** Writes one line. Cuts the connection if the peer does not read. */
export function send(socket: Socket, line: Question | Reply): void {
  socket.write(`${JSON.stringify(line)}\n`);
  if (socket.writableLength > WAITING_MAX_BYTES) socket.destroy();
}

/** Calls `take` for each line. A line that is not JSON ends the connection. */
export function onLine<T extends Question | Reply>(socket: Socket, take: (line: T) => void): void {
  createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (text) => {
    let line: T;
    try {
      line = JSON.parse(text) as T; // The cast is safe: both ends are this program.
    } catch {
      socket.destroy();
      return;
    }
    take(line);
  });
}
