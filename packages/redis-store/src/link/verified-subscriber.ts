import type { Redis } from "ioredis";
import { DeliveryProbe } from "./delivery-probe.js";
import type { LinkCounters } from "./redis-link.js";
import { SubscriberConnection } from "./subscriber-connection.js";

/** How far a subscriber can be relied on; see `LinkState`. */
export type SubscriberState = "in-sync" | "degraded" | "resubscribing" | "down";

/** Who hears what subscribers have to tell. */
export interface SubscriberEvents {
  /** A message; both buffers are only valid during the call. Returns whether the channel is wanted. */
  readonly message: (channel: Buffer, payload: Buffer) => boolean;
  /** The channel is subscribed and acknowledged. */
  readonly live: (channel: string) => void;
  /** The state may have changed. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
}

/** How subscribers are probed. */
export interface ProbeSettings {
  /** The probe's channel on one of the slots of a Cluster: the n-th try for one. */
  readonly channel: (n: number) => string;
  readonly publish: (channel: string, payload: Buffer) => Promise<number>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** What a {@link VerifiedSubscriber} needs. */
export interface ProbedSubscriberOptions {
  readonly redis: Redis;
  readonly sharded: boolean;
  readonly probe: ProbeSettings;
  /** Where the probe listens at first. */
  readonly probeChannel: string;
  /** Replaces the connection that the probe is published over. */
  readonly replacePublisher: () => void;
  readonly counters: LinkCounters;
  readonly events: SubscriberEvents & { readonly moved: () => void };
}

/** A subscriber's connection, and the proof that it hears. */
export class VerifiedSubscriber {
  readonly connection: SubscriberConnection;
  readonly #probe: DeliveryProbe;
  #probeChannel: string;
  #probeBytes: Buffer;
  #wasReady = false;

  constructor({ redis, sharded, probe, probeChannel, replacePublisher, counters, events }: ProbedSubscriberOptions) {
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

  /** When a message last came through, in milliseconds of the monotonic clock. */
  get provenAt(): number | undefined {
    return this.#probe.provenAt;
  }

  /** What was published before this moment has been heard, in milliseconds of the monotonic clock. */
  get heardUntil(): number | undefined {
    return this.#probe.heardUntil;
  }

  get probeChannel(): string {
    return this.#probeChannel;
  }

  /** Listens elsewhere: the channel's slot has another master now. */
  probeOn(channel: string): void {
    if (channel === this.#probeChannel) return;
    this.connection.drop(this.#probeChannel);
    this.#probeChannel = channel;
    this.#probeBytes = Buffer.from(channel);
    this.#probe.reset();
    this.connection.want(channel);
  }

  /** Messages can be published again: asks at once. */
  hurry(): void {
    this.#probe.hurry();
  }

  #replace(counters: LinkCounters): void {
    if (this.connection.replace()) counters.replacedSubscribers++;
  }

  /** Takes the listeners off; the connection itself is its creator's to close. */
  close(): Promise<void> {
    this.#probe.close();
    return this.connection.close();
  }
}
