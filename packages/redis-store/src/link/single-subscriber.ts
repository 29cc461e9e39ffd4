import type { Redis } from "ioredis";
import type { LinkCounters } from "./redis-link.js";
import {
  type ProbeSettings,
  type SubscriberEvents,
  type SubscriberState,
  VerifiedSubscriber,
} from "./verified-subscriber.js";

/** The subscribing side of a store's link, over one or more connections. */
export interface Subscribers {
  readonly state: SubscriberState;
  /**
   * When a probe last arrived, in milliseconds of the monotonic clock: the earliest of these times over all
   * connections. `undefined` if no probe has arrived over one of them yet.
   */
  readonly provenAt: number | undefined;
  /**
   * The moment before which all published messages have been received, in milliseconds of the monotonic clock: the
   * earliest over all connections. Valid only while the state is `in-sync`.
   */
  readonly heardUntil: number | undefined;
  want(channel: string): void;
  drop(channel: string): void;
  /** Checks all connections at once, because commands work again. */
  hurry(): void;
  close(): Promise<void>;
}

/** Options of {@link Subscribers}. */
export interface SubscribersOptions {
  readonly probe: ProbeSettings;
  readonly counters: LinkCounters;
  readonly events: SubscriberEvents;
}

/** Subscribes all channels over one connection: for a single Redis, or a master found through Sentinels. */
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
