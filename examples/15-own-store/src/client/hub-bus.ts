import { type Bus, type BusHandler, type Channel, CmError, type Published, type Subscription } from "@cm/protocol";
import type { HubLink } from "./hub-link.js";

/** Messages between servers, by way of the hub, which puts them in one order. */
export class HubBus implements Bus {
  readonly #link: HubLink;
  /** The handlers, by subscription. */
  readonly #handlers = new Map<number, BusHandler>();
  readonly #subscribed = new Set<string>();
  #lastSubscription = 0;

  constructor(link: HubLink) {
    this.#link = link;
  }

  async publish(channel: Channel, message: Uint8Array): Promise<Published> {
    const bytes = Buffer.from(message).toString("base64");
    // The hub answers with a number.
    return { subscribers: (await this.#link.call("bus", "publish", [keyOf(channel), bytes])) as number };
  }

  async subscribe(channel: Channel, handler: BusHandler): Promise<Subscription> {
    const key = keyOf(channel);
    if (this.#subscribed.has(key)) throw new CmError("options-invalid", `${key} is already subscribed.`);
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
        // A later subscription of the channel has another number.
        if (!this.#handlers.delete(subscription)) return;
        this.#subscribed.delete(key);
        // Where the link is gone, so is the subscription.
        await this.#link.call("bus", "unsubscribe", [key, subscription]).catch(() => undefined);
      },
    };
  }

  /** Hands a message over. A handler must not throw; one that does harms no other. */
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
