import type { Redis } from "ioredis";
import { SubscriberConnection, type SubscriberEvents } from "./subscriber-connection.js";

/** The subscribing side of a store's link, over however many connections it takes. */
export interface Subscribers {
  /** Whether every wanted channel is live. */
  readonly inSync: boolean;
  /** Whether there is a connection to subscribe with at all. */
  readonly ready: boolean;
  want(channel: string): void;
  drop(channel: string): void;
  close(): Promise<void>;
}

/** What subscribers are told when they are made. */
export interface SubscribersOptions {
  readonly pingIntervalMs: number;
  readonly events: Omit<SubscriberEvents, "moved">;
}

/** One connection for all channels: a single Redis, or a master found by Sentinels. */
export function createSingleSubscriber(redis: Redis, { pingIntervalMs, events }: SubscribersOptions): Subscribers {
  const connection = new SubscriberConnection({
    redis,
    sharded: false,
    pingIntervalMs,
    // Only a Cluster moves channels.
    events: { ...events, moved: () => undefined },
  });
  return {
    get inSync() {
      return connection.inSync;
    },
    get ready() {
      return redis.status === "ready";
    },
    want: (channel) => connection.want(channel),
    drop: (channel) => connection.drop(channel),
    close: () => connection.close(),
  };
}
