import type { Redis } from "ioredis";
import { BATCH_MAX, groupBy, inChunks } from "../commands/argument-batches.js";
import { isLasting } from "../errors/store-error.js";
import { slotOf } from "../keys/hash-slots.js";
import { AcknowledgementTimer } from "./acknowledgement-timer.js";
import { WantedChannels } from "./wanted-channels.js";

/** Callbacks of a {@link SubscriberConnection}. */
export interface ConnectionEvents {
  /** A message arrived. Both buffers are only valid during the call. */
  readonly message: (channel: Buffer, payload: Buffer) => void;
  /** The channel is subscribed and acknowledged. */
  readonly live: (channel: string) => void;
  /**
   * The channel was live before and is live again; messages in between were missed. Called before
   * {@link live}.
   */
  readonly restored: (channel: string) => void;
  /** The state may have changed. */
  readonly changed: () => void;
  /** The connection broke or is new. */
  readonly renewed: () => void;
  /** The slot of a subscribed channel has another master now (Cluster only). */
  readonly moved: () => void;
  /** Subscriptions are not acknowledged in time, although messages may still arrive. */
  readonly overdue: () => void;
  readonly failed: (error: unknown) => void;
}

/** Options of a {@link SubscriberConnection}. */
export interface SubscriberConnectionOptions {
  readonly redis: Redis;
  /** `true` for SSUBSCRIBE, with the channels of one slot per command. */
  readonly sharded: boolean;
  /** Maximum time until an acknowledgement, in milliseconds. */
  readonly acknowledgeTimeoutMs: number;
  readonly events: ConnectionEvents;
}

const RETRY_MS = 200;

/** Number of refusals in a row after which a channel counts as permanently refused. */
const REFUSALS = 2;

/**
 * One subscribing connection and the channels wanted on it. The client reports `ready` before it has
 * subscribed anything again. This class therefore keeps the wanted channels itself, and treats a channel as
 * live only once the current connection has acknowledged it.
 */
export class SubscriberConnection {
  readonly redis: Redis;
  readonly #sharded: boolean;
  readonly #events: ConnectionEvents;
  readonly #wanted = new WantedChannels();
  /** Channels that are subscribed, no longer wanted, and not unsubscribed yet. */
  readonly #leaving = new Set<string>();
  /**
   * Channels that are unsubscribed or about to be, without an acknowledgement yet. Their messages are
   * ignored, because another connection may receive them.
   */
  readonly #left = new Set<string>();
  readonly #acknowledgements: AcknowledgementTimer;
  readonly #unlisten: () => void;
  /**
   * A channel that Redis has refused and not accepted since. It is retried until Redis accepts it, even if it
   * is no longer wanted, and in a command of its own: one refused channel fails its whole command.
   */
  #trial: string | undefined;
  /** Number of times in a row that the channel was refused. */
  #refusals = 0;
  /** Grows each time the connection opens or closes, so that replies to earlier commands are recognized. */
  #generation = 0;
  #flushing = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ redis, sharded, acknowledgeTimeoutMs, events }: SubscriberConnectionOptions) {
    this.redis = redis;
    this.#sharded = sharded;
    this.#events = events;
    this.#acknowledgements = new AcknowledgementTimer({
      timeoutMs: acknowledgeTimeoutMs,
      isAwaited: () => this.#wanted.hasSent,
      onLate: () => events.changed(),
      onOverdue: () => events.overdue(),
    });
    this.#unlisten = this.#listen();
  }

  /** Whether the connection works. One that is being replaced does not, even if closing it takes long. */
  get isOpen(): boolean {
    return this.redis.status === "ready" && this.redis.stream.writable;
  }

  /** Whether the connection works and all wanted channels are live. */
  get isComplete(): boolean {
    return this.isOpen && this.#wanted.areLive;
  }

  /** Whether the connection works and all wanted channels that were live before are live. */
  get isRestored(): boolean {
    return this.isOpen && this.#wanted.areRestored;
  }

  /** Whether Redis has refused a subscription repeatedly. */
  get isRefused(): boolean {
    return this.#refusals >= REFUSALS;
  }

  /** Whether acknowledgements are late: new channels cannot be relied on for now. */
  get isLate(): boolean {
    return this.#acknowledgements.isLate;
  }

  isLive(channel: string): boolean {
    return this.isOpen && this.#wanted.isLive(channel);
  }

  /**
   * Subscribes a channel. `wasLive` means that the channel was live on another connection, so its subscriber
   * relies on it.
   */
  want(channel: string, wasLive = false): void {
    this.#left.delete(channel);
    if (this.#wanted.isLive(channel)) return;
    this.#wanted.add(channel, wasLive);
    if (this.#leaving.delete(channel)) {
      this.#goneLive(channel);
      return;
    }
    this.#wanted.markMissing(channel);
    this.#schedule();
  }

  drop(channel: string): void {
    const wasLive = this.#wanted.isLive(channel);
    if (!wasLive && !this.#wanted.isPending(channel)) return;
    this.#wanted.remove(channel);
    if (wasLive || this.#wanted.isSent(channel)) this.#left.add(channel);
    if (wasLive) this.#leaving.add(channel);
    this.#schedule();
  }

  /** Subscribes all wanted channels that are not live. */
  resync(): void {
    this.#schedule();
  }

  /**
   * Reconnects a connection over which nothing arrives, and subscribes everything again. Returns `false` if
   * the connection is already being replaced.
   */
  replace(): boolean {
    if (!this.isOpen) return false;
    this.redis.disconnect(true);
    this.#events.changed();
    return true;
  }

  /** Unsubscribes all channels and removes the listeners. The creator of the connection closes it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#acknowledgements.stop();
    this.#unlisten();
    // Ignore errors of the client from here on.
    const ignore = (): void => undefined;
    this.redis.on("error", ignore);
    const channels = [...this.#wanted.all(), ...this.#leaving];
    if (this.isOpen && channels.length > 0) {
      await Promise.allSettled(this.#batches(channels).map((batch) => this.#unsubscribe(batch)));
    }
    this.redis.off("error", ignore);
  }

  #listen(): () => void {
    const { redis } = this;
    const message = this.#sharded ? "smessageBuffer" : "messageBuffer";
    const renewed = (): void => this.#renewed();
    const moved = (): void => this.#onMoved();
    const take = (channel: Buffer, payload: Buffer): void => this.#take(channel, payload);
    redis.on(message, take);
    redis.on("error", this.#events.failed);
    redis.on("ready", renewed);
    redis.on("close", renewed);
    redis.on("moved", moved);
    return () => {
      redis.off(message, take);
      redis.off("error", this.#events.failed);
      redis.off("ready", renewed);
      redis.off("close", renewed);
      redis.off("moved", moved);
    };
  }

  #take(channel: Buffer, payload: Buffer): void {
    // Both sets are almost always empty, so a message usually costs no look-up.
    if (this.#left.size > 0 && this.#left.has(channel.toString())) return;
    if (!this.#wanted.areRestored) this.#proveLive(channel.toString());
    this.#events.message(channel, payload);
  }

  /**
   * A message proves that its channel is live again, even if the acknowledgement is still queued behind
   * others. Report that first, so that the handler knows of the interruption before it gets the message.
   */
  #proveLive(channel: string): void {
    if (this.#wanted.isPending(channel)) this.#goneLive(channel);
  }

  #schedule(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    // Flush at the end of the turn, so that many joins become one command.
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed || !this.isOpen) return;
    const generation = this.#generation;
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    for (const batch of this.#batches(leaving)) {
      // If unsubscribing fails, the connection or the slot is gone, and the subscription with it.
      const forget = (): void => {
        for (const channel of batch) this.#left.delete(channel);
      };
      this.#unsubscribe(batch).then(forget, forget);
    }
    const trial = this.#trial;
    const missing = this.#wanted.missing().filter((channel) => channel !== trial);
    const batches = this.#batches(missing);
    if (trial !== undefined && !this.#wanted.isSent(trial)) batches.push([trial]);
    for (const batch of batches) {
      for (const channel of batch) this.#wanted.markSent(channel);
      this.#subscribe(batch).then(
        () => this.#acknowledged(batch, generation),
        (error) => this.#refused(batch, generation, error),
      );
    }
    this.#acknowledgements.start();
    this.#events.changed();
  }

  #acknowledged(batch: readonly string[], generation: number): void {
    if (generation !== this.#generation || this.#closed) return;
    this.#acknowledgements.stop();
    for (const channel of batch) {
      this.#wanted.markAnswered(channel);
      if (channel === this.#trial) this.#endTrial();
      this.#forgetInClient(channel);
      if (this.#wanted.isLive(channel)) continue;
      if (this.#wanted.isPending(channel)) this.#goneLive(channel);
      else this.#leaving.add(channel);
    }
    if (this.#leaving.size > 0) this.#schedule();
    this.#acknowledgements.start();
    this.#events.changed();
  }

  #refused(batch: readonly string[], generation: number, error: unknown): void {
    if (generation !== this.#generation || this.#closed) return;
    for (const channel of batch) {
      this.#wanted.markAnswered(channel);
      if (this.#wanted.isPending(channel)) this.#wanted.markMissing(channel);
    }
    const isTrial = batch.includes(this.#trial ?? "");
    if (!isLasting(error)) {
      // The slot may have moved to another master.
      if (isTrial) this.#endTrial();
    } else if (isTrial || this.#trial === undefined) {
      this.#trial ??= batch[0];
      this.#refusals++;
    }
    this.#events.failed(error);
    this.#events.changed();
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, RETRY_MS);
  }

  /**
   * Has the client forget a channel that it has subscribed. It keeps the names, about 100 bytes each, in order to
   * subscribe the channels again after a reconnect, which this class does itself.
   */
  #forgetInClient(channel: string): void {
    const kept = this.redis.condition?.subscriber;
    if (kept) kept.del(this.#sharded ? "sunsubscribe" : "unsubscribe", channel);
  }

  #endTrial(): void {
    this.#trial = undefined;
    this.#refusals = 0;
  }

  #goneLive(channel: string): void {
    if (this.#wanted.markLive(channel)) this.#events.restored(channel);
    this.#events.live(channel);
  }

  /** Handles a connection that broke or is new: nothing is subscribed on it. */
  #renewed(): void {
    this.#generation++;
    this.#acknowledgements.stop();
    this.#wanted.renew();
    this.#leaving.clear();
    this.#left.clear();
    this.#events.renewed();
    this.#events.changed();
    this.#flush();
  }

  /**
   * Redis has unsubscribed a channel by itself because its slot moved. ioredis's `moved` event does not say
   * which one.
   */
  #onMoved(): void {
    this.#wanted.loseAll();
    this.#events.changed();
    this.#events.moved();
  }

  /** Splits channels into one list per command. A sharded command takes channels of one slot only. */
  #batches(channels: readonly string[]): string[][] {
    if (!this.#sharded) return inChunks(channels, BATCH_MAX);
    return [...groupBy(channels, slotOf).values()].flatMap((group) => inChunks(group, BATCH_MAX));
  }

  #subscribe(batch: readonly string[]): Promise<unknown> {
    return this.#sharded ? this.redis.ssubscribe(...batch) : this.redis.subscribe(...batch);
  }

  #unsubscribe(batch: readonly string[]): Promise<unknown> {
    return this.#sharded ? this.redis.sunsubscribe(...batch) : this.redis.unsubscribe(...batch);
  }
}
