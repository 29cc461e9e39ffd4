import type { BusHandler, Channel } from "@cm/protocol";

/** One subscriber of a channel. */
export interface Subscriber {
  readonly handler: BusHandler;
  /** Set when the subscription ends. Nothing is delivered to the handler after that. */
  closed: boolean;
  /** Called with errors that the handler throws, although it must not throw. */
  readonly onThrow: (cause: unknown) => void;
}

interface Delivery {
  readonly message: Uint8Array;
  readonly subscribers: readonly Subscriber[];
}

/**
 * The channels of all stores on a hub. Messages are queued and delivered in batches, never inside the call
 * that published them: a handler that publishes is not re-entered, and all subscribers get messages in the
 * same order.
 */
export class ChannelTable {
  readonly #channels = new Map<string, Set<Subscriber>>();
  #queue: Delivery[] = [];

  /** Number of channels that have subscribers. */
  get size(): number {
    return this.#channels.size;
  }

  publish(channel: Channel, message: Uint8Array): number {
    const subscribers = this.#channels.get(channelKey(channel));
    if (subscribers === undefined) return 0;
    // setImmediate instead of a microtask: two handlers that respond to each other must not block sockets and
    // timers.
    if (this.#queue.length === 0) setImmediate(() => this.#deliver());
    this.#queue.push({ message: message.slice(), subscribers: [...subscribers] });
    return subscribers.size;
  }

  /** Number of subscribers of a channel. */
  listeners(channel: Channel): number {
    return this.#channels.get(channelKey(channel))?.size ?? 0;
  }

  subscribe(channel: Channel, subscriber: Subscriber): void {
    const key = channelKey(channel);
    const subscribers = this.#channels.get(key);
    if (subscribers === undefined) this.#channels.set(key, new Set([subscriber]));
    else subscribers.add(subscriber);
  }

  unsubscribe(channel: Channel, subscriber: Subscriber): void {
    subscriber.closed = true;
    const key = channelKey(channel);
    const subscribers = this.#channels.get(key);
    subscribers?.delete(subscriber);
    if (subscribers?.size === 0) this.#channels.delete(key);
  }

  #deliver(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const { message, subscribers } of queue) {
      for (const subscriber of subscribers) {
        if (subscriber.closed) continue;
        try {
          subscriber.handler(message);
        } catch (cause) {
          subscriber.onThrow(cause);
        }
      }
    }
  }
}

/** The key of a channel. Kinds contain no colon, so two channels never share a key. */
export function channelKey(channel: Channel): string {
  return `${channel.kind}:${channel.name}`;
}
