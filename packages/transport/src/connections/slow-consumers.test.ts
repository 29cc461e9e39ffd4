import { expect, it } from "vitest";
import { SlowConsumers, type WaitingConnection } from "./slow-consumers.js";

/** An open connection with bytes that its client does not read. */
class Waiting implements WaitingConnection {
  bufferedBytes: number;
  readonly #onCut: () => void;

  constructor(bytes: number, onCut: () => void = () => undefined) {
    this.bufferedBytes = bytes;
    this.#onCut = onCut;
  }

  flush(): void {}

  /** Closes the connection for another reason. */
  close(): void {
    this.bufferedBytes = 0;
  }

  cutAsSlow(): boolean {
    if (this.bufferedBytes === 0) return false;
    this.close();
    this.#onCut();
    return true;
  }
}

it("does not count a connection that the close handler of another one closed before it could be cut", () => {
  const second = new Waiting(400);
  const connections = new Map([
    ["first", new Waiting(500, () => second.close())],
    ["second", second],
    ["third", new Waiting(300)],
    ["fourth", new Waiting(200)],
  ]);
  const slow = new SlowConsumers(1_000, 600);
  slow.watch(connections);
  slow.grew(1_400);
  // The first connection is cut, and its handler closes the second: what is left is within the limit.
  expect([...connections.values()].map(({ bufferedBytes }) => bufferedBytes)).toEqual([0, 0, 300, 200]);
  expect(slow.limits()).toEqual({ backlog: 1 });
});
