import type { Socket } from "node:net";
import { send } from "../wire.js";

/**
 * The subscribers of each channel, by a key such as `room:lobby`. A store has at most one subscription per
 * channel.
 */
export class Channels {
  readonly #subscriptions = new Map<string, Map<Socket, number>>();

  /** Number of channels that have subscribers. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /** Sends base64 bytes to all subscribers, including the publisher. Returns the number of subscribers. */
  publish(key: string, bytes: string): number {
    const subscribers = this.#subscriptions.get(key);
    for (const [socket, subscription] of subscribers ?? []) send(socket, ["message", subscription, bytes]);
    return subscribers?.size ?? 0;
  }

  /** Sends a text to all subscribers. */
  announce(key: string, text: string): void {
    if (this.#subscriptions.has(key)) this.publish(key, Buffer.from(text).toString("base64"));
  }

  subscribe(key: string, socket: Socket, subscription: number): void {
    const subscribers = this.#subscriptions.get(key) ?? new Map<Socket, number>();
    this.#subscriptions.set(key, subscribers.set(socket, subscription));
  }

  /** Does nothing if the store has a later subscription of the channel. */
  unsubscribe(key: string, socket: Socket, subscription: number): void {
    const subscribers = this.#subscriptions.get(key);
    if (subscribers?.get(socket) !== subscription) return;
    subscribers.delete(socket);
    if (subscribers.size === 0) this.#subscriptions.delete(key);
  }

  /** Whether a store on another socket subscribes to the channel. */
  hasOthers(key: string, socket: Socket): boolean {
    const subscribers = this.#subscriptions.get(key);
    return subscribers !== undefined && subscribers.size > (subscribers.has(socket) ? 1 : 0);
  }

  /** Removes all subscriptions of a store whose connection has ended. */
  forget(socket: Socket): void {
    for (const [key, subscribers] of this.#subscriptions) {
      subscribers.delete(socket);
      if (subscribers.size === 0) this.#subscriptions.delete(key);
    }
  }
}
