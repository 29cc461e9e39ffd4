import type { RoomProtocol } from "../protocols/room-protocol.js";
import { BenchClient } from "./bench-client.js";

/** Connections that join rooms and then stop reading, beside the connections that are measured. */
export class SlowReaders {
  readonly #protocol: RoomProtocol;
  readonly #urls: readonly string[];
  readonly #perRoom: number;
  readonly #rooms = new Set<string>();
  readonly #clients: BenchClient[] = [];

  constructor(protocol: RoomProtocol, urls: readonly string[], perRoom: number) {
    this.#protocol = protocol;
    this.#urls = urls;
    this.#perRoom = perRoom;
  }

  /** Adds the slow readers of a room, spread over the servers, unless it has them already. */
  follow(room: string): void {
    if (this.#perRoom === 0 || this.#rooms.has(room)) return;
    this.#rooms.add(room);
    for (let index = 0; index < this.#perRoom; index++) {
      this.#open(room, index).catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
    }
  }

  close(): void {
    for (const client of this.#clients) void client.cut();
  }

  async #open(room: string, index: number): Promise<void> {
    const url = this.#urls[index % this.#urls.length] ?? "";
    const client = await BenchClient.open(this.#protocol, url, `slow-${this.#rooms.size}-${index}`);
    this.#clients.push(client);
    await client.join(room);
    client.pause();
  }
}
