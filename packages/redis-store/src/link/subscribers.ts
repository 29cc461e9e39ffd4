import type { Redis } from "ioredis";
import type { LinkCounters } from "./redis-link.js";
import {
  type ProbeSettings,
  type SubscriberEvents,
  type SubscriberState,
  VerifiedSubscriber,
} from "./verified-subscriber.js";

/** The subscribing side of a store's link, over however many connections it takes. */
export interface Subscribers {
  readonly state: SubscriberState;
  /**
   * When it was last proven that messages come through, in milliseconds of the monotonic
   * clock; of several connections the earliest. `undefined` where one is not proven yet.
   */
  readonly provenAt: number | undefined;
  /**
   * While in sync: what was published before this moment has been heard, in milliseconds of
   * the monotonic clock; of several connections the earliest.
   */
  readonly heardUntil: number | undefined;
  want(channel: string): void;
  drop(channel: string): void;
  /** Commands work again: has everything proven at once. */
  hurry(): void;
  close(): Promise<void>;
}

/** What subscribers are told when they are made. */
export interface SubscribersOptions {
  readonly probe: ProbeSettings;
  readonly counters: LinkCounters;
  readonly events: SubscriberEvents;
}

/** One connection for all channels: a single Redis, or a master found by Sentinels. */
export function createSingleSubscriber(
  redis: Redis,
  replacePublisher: () => void,
  { probe, counters, events }: SubscribersOptions,
): Subscribers {
  const subscriber = new VerifiedSubscriber({
    redis,
    sharded: false,
    probe,
    probeChannel: probe.channel(0),
    replacePublisher,
    counters,
    // Only a Cluster moves channels.
    events: { ...events, moved: () => undefined },
  });
  return {
    get state() {
      return subscriber.state;
    },
    get provenAt() {
      return subscriber.provenAt;
    },
    get heardUntil() {
      return subscriber.heardUntil;
    },
    want: (channel) => subscriber.connection.want(channel),
    drop: (channel) => subscriber.connection.drop(channel),
    hurry: () => subscriber.hurry(),
    close: () => subscriber.close(),
  };
}
