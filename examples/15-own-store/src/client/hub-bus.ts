import type { Bus, BusHandler, Channel, History, Published, Subscription } from "@cm/protocol";
import { alreadySubscribed } from "@cm/protocol/store";
import type { HubLink } from "./hub-link.js";

/** A bus whose messages all go through the hub, which gives them one order. */
export class HubBus implements Bus {
  readonly history: History;
  readonly #link: HubLink;
  /** The handlers, by the number of their subscription. */
  readonly #handlers = new Map<number, BusHandler>();
  readonly #subscribed = new Set<string>();
  #lastSubscription = 0;

  constructor(link: HubLink, history: History) {
    this.#link = link;
    this.history = history;
  }

  async publish(channel: Channel, message: Uint8Array): Promise<Published> {
    const bytes = Buffer.from(message).toString("base64");
    // The cast is safe: the hub answers with a number.
    return { subscribers: (await this.#link.call("bus", "publish", [keyOf(channel), bytes])) as number };
  }

  async subscribe(channel: Channel, handler: BusHandler): Promise<Subscription> {
    const key = keyOf(channel);
    if (this.#subscribed.has(key)) throw alreadySubscribed(channel);
    this.#lastSubscription += 1;
    const subscription = this.#lastSubscription;
    this.#subscribed.add(key);
    this.#handlers.set(subscription, handler);
    try {
      await this.#link.call("bus", "subscribe", [key, subscription]);
    } catch (error) {
      this.#handlers.delete(subscription);
      this.#subscribed.delete(key);
      throw error;
    }
    return {
      close: async () => {
        // A second call does nothing: a later subscription of the channel has another number.
        if (!this.#handlers.delete(subscription)) return;
        this.#subscribed.delete(key);
        // If the link is lost, the subscription is gone anyway.
        await this.#link.call("bus", "unsubscribe", [key, subscription]).catch(() => undefined);
      },
    };
  }

  /** Calls the handler of a subscription. Handlers must not throw; if one does, its error is logged. */
  deliver(subscription: number, bytes: Uint8Array): void {
    try {
      this.#handlers.get(subscription)?.(bytes);
    } catch (error) {
      console.error("A bus handler threw an error.", error);
    }
  }

  closeAll(): void {
    this.#handlers.clear();
    this.#subscribed.clear();
  }
}

/** Kinds have no colon, so that no two channels share a key. */
function keyOf({ kind, name }: Channel): string {
  return `${kind}:${name}`;
}
