import type { History } from "./history.js";

/**
 * The destination of a message: the channel of a room, of one server, of a room's roster changes, or of
 * the presence changes in one partition of users.
 */
export interface Channel {
  /** The kind of object that the channel belongs to. */
  readonly kind: "room" | "server" | "roster" | "presence";
  /** The room name, the server id, or the partition number, depending on `kind`. */
  readonly name: string;
}

/** An open subscription. */
export interface Subscription {
  /** Ends the subscription. Idempotent. The handler is not called after the promise has resolved. */
  close(): Promise<void>;
}

/**
 * Called when a subscription is live again after an interruption. `sinceMs` tells how many milliseconds
 * ago the subscription was last known to receive everything: messages published before that time have
 * arrived. It is `Infinity` if there is no such time. Must not throw.
 */
export type ResumeHandler = (sinceMs: number) => void;

/** Receives one message. The bytes are only valid during the call: copy what must be kept. Must not throw. */
export type BusHandler = (message: Uint8Array) => void;

/** The bus's result for a message that it accepted. */
export interface Published {
  /** The number of subscriptions that the message reached. Absent if the bus does not know. */
  readonly subscribers?: number;
}

/**
 * Publish and subscribe between servers. Guarantees:
 *
 * - `subscribe` resolves when the subscription is live: every message that any server publishes after that
 *   moment reaches the handler, as long as the link to the bus is up. There is one subscription per channel;
 *   a second one is rejected with `options-invalid`.
 * - All subscribers of a channel, including the publishing server, receive its messages in one order.
 *   Messages of one publisher keep their order.
 * - Delivery is at most once in a healthy network. A publish that was in flight when a link broke may arrive
 *   twice, and messages published while a subscriber's link is down never reach that subscriber. Callers that
 *   must detect duplicates and losses give their messages numbers.
 * - After an interruption, `onResumed` is called when the subscription is live again: messages published
 *   during the interruption may have been missed. Every loss is followed by a call.
 * - A `publish` that fails rejects with `unavailable` or `timeout`, within the store's deadline. While the link
 *   is down, `publish` rejects at once, so that no stale message is sent later.
 * - `subscribe` waits for a link that is down, within the store's deadline.
 */
export interface Bus {
  /** Sends a message to every subscriber of the channel. Do not change its bytes before the promise settles. */
  publish(channel: Channel, message: Uint8Array): Promise<Published>;
  /** Calls the handler for each message of the channel from now on. */
  subscribe(channel: Channel, handler: BusHandler, onResumed?: ResumeHandler): Promise<Subscription>;
  /**
   * The latest messages of rooms. Belongs to the bus because its `append` publishes on the bus's room channels. Absent
   * if the bus keeps no histories.
   */
  readonly history?: History;
}
