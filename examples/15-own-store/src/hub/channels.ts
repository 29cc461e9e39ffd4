import type { Socket } from "node:net";
import { send } from "../wire.js";

/** Who subscribes which channel, by a key such as `room:lobby`. A store has one subscription a channel. */
export class Channels {
  readonly #subscriptions = new Map<string, Map<Socket, number>>();

  /** How many channels have subscribers. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /** Hands bytes (base64) to all subscribers, the publisher among them; says how many there are. */
  publish(key: string, bytes: string): number {
    const subscribers = this.#subscriptions.get(key);
    for (const [socket, subscription] of subscribers ?? []) send(socket, ["message", subscription, bytes]);
    return subscribers?.size ?? 0;
  }

  /** Tells all subscribers a text. */
  announce(key: string, text: string): void {
    if (this.#subscriptions.has(key)) this.publish(key, Buffer.from(text).toString("base64"));
  }

  subscribe(key: string, socket: Socket, subscription: number): void {
    const subscribers = this.#subscriptions.get(key) ?? new Map<Socket, number>();
    this.#subscriptions.set(key, subscribers.set(socket, subscription));
  }

  /** Does nothing where the store has another subscription by now. */
  unsubscribe(key: string, socket: Socket, subscription: number): void {
    const subscribers = this.#subscriptions.get(key);
    if (subscribers?.get(socket) !== subscription) return;
    subscribers.delete(socket);
    if (subscribers.size === 0) this.#subscriptions.delete(key);
  }

  /** Whether another store than this one listens. */
  hasOthers(key: string, socket: Socket): boolean {
    const subscribers = this.#subscriptions.get(key);
    return subscribers !== undefined && subscribers.size > (subscribers.has(socket) ? 1 : 0);
  }

  /** A store is gone. */
  forget(socket: Socket): void {
    for (const [key, subscribers] of this.#subscriptions) {
      subscribers.delete(socket);
      if (subscribers.size === 0) this.#subscriptions.delete(key);
    }
  }
}
