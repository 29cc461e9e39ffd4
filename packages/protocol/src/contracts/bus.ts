/**
 * Where a message goes: the channel of a room, of one server, of the changes of a room's
 * roster, or of the presence of a partition of all users.
 */
export interface Channel {
  /** Whose channel it is. */
  readonly kind: "room" | "server" | "roster" | "presence";
  /** Room name, server id, or number of the partition. */
  readonly name: string;
}

/** An open subscription. */
export interface Subscription {
  /** Ends it. Idempotent; the handler is not called after this returned. */
  close(): Promise<void>;
}

/**
 * Hears that a subscription is live again after an interruption, and how long ago, in
 * milliseconds, it was last known to hear everything: what was published before that has
 * arrived. Infinite where that was never known. Must not throw.
 */
export type ResumeHandler = (sinceMs: number) => void;

/**
 * Takes one message. The bytes are only valid during the call: copy what you keep.
 * It must not throw.
 */
export type BusHandler = (message: Uint8Array) => void;

/** What the bus says of a message that it took. */
export interface Published {
  /** The number of subscriptions that it reached; absent where the bus does not know. */
  readonly subscribers?: number;
}

/**
 * Publish and subscribe between servers. Promises:
 *
 * - `subscribe` resolves when the subscription is live: whatever is published anywhere
 *   after that moment reaches the handler, while the link to the bus holds. One
 *   subscription a channel; a second one fails with `options-invalid`.
 * - All subscribers of a channel see its messages in one order, the publishing server
 *   among them; one publisher's messages keep theirs.
 * - Delivery is at most once in a healthy network, but a publish that was in flight
 *   when a link broke may arrive twice, and what is published while a subscriber's
 *   link is down is lost to it. To detect that, number the messages.
 * - After an interruption `onResumed` is called when the subscription is live again: what
 *   was published in between was missed. It may also be called where nothing was, never
 *   the other way round.
 * - `publish` fails with `unavailable` or `timeout`, within the store's deadline. It does
 *   not wait for a link that is away: the publisher knows at once, and nothing stale is
 *   sent later.
 * - `subscribe` waits for a link that is away, within the store's deadline.
 */
export interface Bus {
  /** Hands a message to every subscriber of the channel. */
  publish(channel: Channel, message: Uint8Array): Promise<Published>;
  /** Calls the handler for each message of the channel from now on. */
  subscribe(channel: Channel, handler: BusHandler, onResumed?: ResumeHandler): Promise<Subscription>;
}
