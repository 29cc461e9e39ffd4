import type { Redis } from "ioredis";
import { DeliveryProbe } from "./delivery-probe.js";
import type { LinkCounters } from "./redis-link.js";
import { SubscriberConnection } from "./subscriber-connection.js";

/** How far a subscriber can be relied on; see `LinkState`. */
export type SubscriberState = "in-sync" | "degraded" | "resubscribing" | "down";

/** Callbacks of subscribers. */
export interface SubscriberEvents {
  /**
   * A message arrived. Both buffers are only valid during the call. Returns whether the channel is wanted.
   */
  readonly message: (channel: Buffer, payload: Buffer) => boolean;
  /** The channel is subscribed and acknowledged. */
  readonly live: (channel: string) => void;
  /** The state may have changed. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
}

/** Settings of the probes. */
export interface ProbeSettings {
  /**
   * The name of the probe's channel for the n-th attempt to find one in a given master's slots (Cluster
   * only).
   */
  readonly channel: (n: number) => string;
  readonly publish: (channel: string, payload: Buffer) => Promise<number>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Dependencies of a {@link VerifiedSubscriber}. */
export interface VerifiedSubscriberOptions {
  readonly redis: Redis;
  readonly sharded: boolean;
  readonly probe: ProbeSettings;
  /** The probe's first channel. */
  readonly probeChannel: string;
  /** Replaces the connection over which the probe publishes. */
  readonly replacePublisher: () => void;
  readonly counters: LinkCounters;
  readonly events: SubscriberEvents & { readonly moved: () => void };
}

/** A subscribing connection with a probe that checks that messages arrive. */
export class VerifiedSubscriber {
  readonly connection: SubscriberConnection;
  readonly #probe: DeliveryProbe;
  #probeChannel: string;
  #probeBytes: Buffer;
  #wasReady = false;

  constructor({ redis, sharded, probe, probeChannel, replacePublisher, counters, events }: VerifiedSubscriberOptions) {
    this.#probeChannel = probeChannel;
    this.#probeBytes = Buffer.from(probeChannel);
    this.#wasReady = redis.status === "ready";
    this.connection = new SubscriberConnection({
      redis,
      sharded,
      acknowledgeTimeoutMs: probe.timeoutMs,
      events: {
        message: (channel, payload) => {
          if (events.message(channel, payload) || !channel.equals(this.#probeBytes)) return;
          this.#probe.take(payload);
        },
        live: (channel) => {
          if (channel === this.#probeChannel) this.#probe.hurry();
          else events.live(channel);
        },
        restored: (channel) => {
          if (channel !== this.#probeChannel) counters.resubscriptions++;
        },
        renewed: () => {
          this.#probe.reset();
          if (redis.status !== "ready") return;
          if (this.#wasReady) counters.reconnects++;
          this.#wasReady = true;
        },
        changed: events.changed,
        moved: events.moved,
        overdue: () => this.#replace(counters),
        failed: events.failed,
      },
    });
    this.#probe = new DeliveryProbe({
      publish: (payload) => probe.publish(this.#probeChannel, payload),
      isReady: () => this.connection.isOpen,
      isLive: () => this.connection.isLive(this.#probeChannel),
      replace: () => this.#replace(counters),
      replacePublisher,
      changed: events.changed,
      intervalMs: probe.intervalMs,
      timeoutMs: probe.timeoutMs,
    });
    this.connection.want(probeChannel);
  }

  get state(): SubscriberState {
    const { proof } = this.#probe;
    if (proof === "failed") return "down";
    if (!this.connection.isRestored) return "resubscribing";
    if (proof === "late" || this.connection.isLate) return "degraded";
    if (proof !== "proven") return "resubscribing";
    return this.connection.isRefused ? "degraded" : "in-sync";
  }

  /** When a message of the probe last arrived, in milliseconds of the monotonic clock. */
  get provenAt(): number | undefined {
    return this.#probe.provenAt;
  }

  /** All messages published before this moment have been received; in milliseconds of the monotonic clock. */
  get heardUntil(): number | undefined {
    return this.#probe.heardUntil;
  }

  get probeChannel(): string {
    return this.#probeChannel;
  }

  /** Moves the probe to another channel, because the slot of the present one has another master now. */
  probeOn(channel: string): void {
    if (channel === this.#probeChannel) return;
    this.connection.drop(this.#probeChannel);
    this.#probeChannel = channel;
    this.#probeBytes = Buffer.from(channel);
    this.#probe.reset();
    this.connection.want(channel);
  }

  /** Sends a probe at once, because messages can be published again. */
  hurry(): void {
    this.#probe.hurry();
  }

  #replace(counters: LinkCounters): void {
    if (this.connection.replace()) counters.replacedSubscribers++;
  }

  /** Ends the probe and all subscriptions. The creator of the connection closes it. */
  close(): Promise<void> {
    this.#probe.close();
    return this.connection.close();
  }
}
