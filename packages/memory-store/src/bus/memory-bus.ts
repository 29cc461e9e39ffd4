import type { Bus, BusHandler, Channel, History, Published, Subscription } from "@cm/protocol";
import { notBytes } from "@cm/protocol/options";
import { alreadySubscribed } from "@cm/protocol/store";
import type { MemoryNamespace } from "../memory-hub.js";
import { channelKey, type Subscriber } from "./channel-table.js";
import type { MemoryLink } from "./memory-link.js";

/** The bus of one store, over the channels of its hub. */
export class MemoryBus implements Bus {
  readonly history: History;
  readonly #data: MemoryNamespace;
  readonly #link: MemoryLink;
  readonly #onThrow: (cause: unknown) => void;
  /** Functions that close the store's own subscriptions, by channel key. */
  readonly #open = new Map<string, () => void>();

  constructor(data: MemoryNamespace, link: MemoryLink, history: History, onThrow: (cause: unknown) => void) {
    this.history = history;
    this.#data = data;
    this.#link = link;
    this.#onThrow = onThrow;
  }

  async publish(channel: Channel, message: Uint8Array): Promise<Published> {
    this.#link.requireOpen("bus.publish");
    if (!(message instanceof Uint8Array)) throw notBytes("message");
    return { subscribers: this.#data.channels.publish(channel, message) };
  }

  async subscribe(channel: Channel, handler: BusHandler): Promise<Subscription> {
    this.#link.requireOpen("bus.subscribe");
    const { channels } = this.#data;
    const key = channelKey(channel);
    if (this.#open.has(key)) {
      throw alreadySubscribed(channel);
    }
    const subscriber: Subscriber = { handler, closed: false, onThrow: this.#onThrow };
    const close = () => {
      if (subscriber.closed) return;
      channels.unsubscribe(channel, subscriber);
      this.#open.delete(key);
    };
    channels.subscribe(channel, subscriber);
    this.#open.set(key, close);
    return {
      async close() {
        close();
      },
    };
  }

  /** Whether this store subscribes to the channel. */
  hears(channel: Channel): boolean {
    return this.#open.has(channelKey(channel));
  }

  closeAll(): void {
    for (const close of [...this.#open.values()]) close();
  }
}
