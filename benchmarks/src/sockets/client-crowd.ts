import type { RoomProtocol } from "../protocols/room-protocol.js";
import { BenchClient } from "./bench-client.js";

/** Many connections to the servers of a contender, each of its own user. */
export class ClientCrowd {
  readonly #protocol: RoomProtocol;
  readonly #urls: readonly string[];
  readonly #prefix: string;
  readonly #clients: BenchClient[] = [];

  /** @param prefix distinguishes the users of this crowd from those of others */
  constructor(protocol: RoomProtocol, urls: readonly string[], prefix: string) {
    this.#protocol = protocol;
    this.#urls = urls;
    this.#prefix = prefix;
  }

  get size(): number {
    return this.#clients.length;
  }

  /** Opens connections, spread over the servers. Returns how long each took, in milliseconds. */
  async open(count: number, concurrency: number): Promise<number[]> {
    const first = this.#clients.length;
    return inParallel(count, concurrency, async (index) => {
      const number = first + index;
      const url = this.#urls[number % this.#urls.length] ?? "";
      this.#clients[number] = await BenchClient.open(this.#protocol, url, `${this.#prefix}${number}`);
    });
  }

  /**
   * Has each connection join rooms, one after the other. `roomOf` gets the number of the connection and that of
   * the join. Returns how long each join took, in milliseconds.
   */
  async join(joins: number, concurrency: number, roomOf: (client: number, join: number) => string): Promise<number[]> {
    const took: number[] = [];
    await inParallel(this.#clients.length, concurrency, async (index) => {
      for (let join = 0; join < joins; join++) {
        const from = performance.now();
        await this.#clients[index]?.join(roomOf(index, join));
        took.push(performance.now() - from);
      }
    });
    return took;
  }

  /** Cuts all connections at the same time. Resolves when they have ended. */
  async cut(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.cut()));
  }
}

async function inParallel(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<void>,
): Promise<number[]> {
  const took: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const from = performance.now();
      await work(index);
      took.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, worker));
  return took;
}

/** Returns the value that a share of the values, from 0 to 1, is less than or equal to; `NaN` without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
