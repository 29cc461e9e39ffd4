import type { Redis } from "ioredis";
import { BATCH_MAX, groupBy, inChunks } from "../commands/batches.js";
import { isLasting } from "../errors/store-error.js";
import { slotOf } from "../keys/hash-slots.js";

/** Who hears what a {@link SubscriberConnection} has to tell. */
export interface SubscriberEvents {
  /** A message; both buffers are only valid during the call. */
  readonly message: (channel: Buffer, payload: Buffer) => void;
  /** The channel is subscribed and acknowledged. */
  readonly live: (channel: string) => void;
  /** Restored: it was live before, and what came in between was missed. Told before {@link live}. */
  readonly restored: (channel: string) => void;
  /** Whether it is in sync may have changed. */
  readonly changed: () => void;
  /** The connection broke, or is a new one. */
  readonly renewed: () => void;
  /** A slot of these channels has another master now (Cluster only). */
  readonly moved: () => void;
  /** What was sent is not acknowledged, though messages may come as ever. */
  readonly overdue: () => void;
  readonly failed: (error: unknown) => void;
}

/** How a {@link SubscriberConnection} works. */
export interface SubscriberConnectionOptions {
  readonly redis: Redis;
  /** `true` for SSUBSCRIBE, one slot a command. */
  readonly sharded: boolean;
  /** How long an acknowledgement may take, in milliseconds. */
  readonly acknowledgeTimeoutMs: number;
  readonly events: SubscriberEvents;
}

const RETRY_MS = 200;

/** After this many refusals in a row, a channel's refusal counts as lasting. */
const REFUSALS = 2;

/**
 * One connection that subscribes, and what is wanted of it. The client says `ready`
 * before anything is subscribed again, so this keeps the wanted channels itself and
 * counts one as live only when this very connection has acknowledged it.
 */
export class SubscriberConnection {
  readonly redis: Redis;
  readonly #sharded: boolean;
  readonly #acknowledgeTimeoutMs: number;
  readonly #events: SubscriberEvents;
  readonly #wanted = new Set<string>();
  /** Sent on this connection, not acknowledged yet. */
  readonly #sent = new Set<string>();
  readonly #live = new Set<string>();
  /** Wanted, was live and has to be live again: its subscriber relies on it. */
  readonly #restoring = new Set<string>();
  /** Subscribed, no longer wanted, not let go yet. */
  readonly #leaving = new Set<string>();
  /** Let go, which is not acknowledged yet: what still comes is for another connection to hear. */
  readonly #left = new Set<string>();
  /** Wanted, and neither live nor sent: kept beside the others, so that a join does not cost a look at all of them. */
  readonly #missing = new Set<string>();
  readonly #unlisten: () => void;
  /**
   * A channel that Redis has refused and not taken since. It is tried again until Redis takes it,
   * even if it is no longer wanted, and alone: one refused channel fails its whole command.
   */
  #trial: string | undefined;
  /** How often in a row it was refused. */
  #refusals = 0;
  /** Grows with every connection, so that answers to an earlier one are not mistaken. */
  #epoch = 0;
  #flushing = false;
  #retry: NodeJS.Timeout | undefined;
  /** Runs while something is sent and nothing of it acknowledged. */
  #patience: NodeJS.Timeout | undefined;
  /** Nothing of what was sent is acknowledged for half of the time that it may take. */
  #isLate = false;
  #closed = false;

  constructor({ redis, sharded, acknowledgeTimeoutMs, events }: SubscriberConnectionOptions) {
    this.redis = redis;
    this.#sharded = sharded;
    this.#acknowledgeTimeoutMs = acknowledgeTimeoutMs;
    this.#events = events;
    this.#unlisten = this.#listen();
  }

  /** Whether the connection works. One that is being replaced does not, however long its end takes. */
  get isOpen(): boolean {
    return this.redis.status === "ready" && this.redis.stream.writable;
  }

  /** Whether the connection works and all that is wanted is live. */
  get isComplete(): boolean {
    return this.isOpen && this.#live.size === this.#wanted.size;
  }

  /** Whether the connection works and all that ever was live, and still is wanted, is live. */
  get isRestored(): boolean {
    return this.isOpen && this.#restoring.size === 0;
  }

  /** Whether Redis refuses what is to be subscribed, again and again. */
  get isRefused(): boolean {
    return this.#refusals >= REFUSALS;
  }

  /** Whether acknowledgements are late: new channels can't be counted on for now. */
  get isLate(): boolean {
    return this.#isLate;
  }

  isLive(channel: string): boolean {
    return this.isOpen && this.#live.has(channel);
  }

  /** `wasLive`: it was live on another connection, and its subscriber relies on it. */
  want(channel: string, wasLive = false): void {
    this.#wanted.add(channel);
    this.#left.delete(channel);
    if (wasLive && !this.#live.has(channel)) this.#restoring.add(channel);
    if (this.#leaving.delete(channel)) this.#goneLive(channel);
    else if (!this.#live.has(channel)) {
      this.#miss(channel);
      this.#schedule();
    }
  }

  drop(channel: string): void {
    if (!this.#wanted.delete(channel)) return;
    this.#restoring.delete(channel);
    this.#missing.delete(channel);
    if (this.#live.has(channel) || this.#sent.has(channel)) this.#left.add(channel);
    if (this.#live.delete(channel)) this.#leaving.add(channel);
    this.#schedule();
  }

  /** Subscribes what is wanted and not live. */
  resync(): void {
    this.#schedule();
  }

  /**
   * Reconnects a connection that stays silent; everything is subscribed again.
   * Returns `false` where this is under way already.
   */
  replace(): boolean {
    if (!this.isOpen) return false;
    this.redis.disconnect(true);
    this.#events.changed();
    return true;
  }

  /** Takes the listeners off. The connection itself is its creator's to close. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#endPatience();
    this.#unlisten();
    // Errors of the client from here on are of no use.
    const ignore = (): void => undefined;
    this.redis.on("error", ignore);
    const channels = [...this.#wanted, ...this.#leaving];
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
    // Both are empty almost always: no message costs more than that.
    if (this.#left.size > 0 && this.#left.has(channel.toString())) return;
    if (this.#restoring.size > 0) this.#proveLive(channel.toString());
    this.#events.message(channel, payload);
  }

  /** Its acknowledgement may be behind those of others: the handler has to know of the interruption first. */
  #proveLive(channel: string): void {
    if (this.#wanted.has(channel) && !this.#live.has(channel)) this.#goneLive(channel);
  }

  #schedule(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    // At the end of the turn, so that a storm of joins becomes one command.
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed || !this.isOpen) return;
    const epoch = this.#epoch;
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    for (const batch of this.#batches(leaving)) {
      // Where it fails, the connection or the slot is gone, and the subscription with it.
      const forget = (): void => {
        for (const channel of batch) this.#left.delete(channel);
      };
      this.#unsubscribe(batch).then(forget, forget);
    }
    const trial = this.#trial;
    const missing = [...this.#missing].filter((channel) => channel !== trial);
    const batches = this.#batches(missing);
    if (trial !== undefined && !this.#sent.has(trial)) batches.push([trial]);
    for (const batch of batches) {
      for (const channel of batch) {
        this.#sent.add(channel);
        this.#missing.delete(channel);
      }
      this.#subscribe(batch).then(
        () => this.#acknowledged(batch, epoch),
        (error) => this.#refused(batch, epoch, error),
      );
    }
    this.#bePatient();
    this.#events.changed();
  }

  /** Redis answers in order: as long as anything is acknowledged, the rest is on its way. */
  #bePatient(): void {
    if (this.#sent.size === 0 || this.#patience !== undefined) return;
    const halfMs = this.#acknowledgeTimeoutMs / 2;
    this.#after(halfMs, () => {
      this.#isLate = true;
      this.#after(halfMs, () => this.#events.overdue());
      this.#events.changed();
    });
  }

  #after(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      // What came in while this process stood still is read before it is judged.
      setImmediate(() => {
        if (this.#patience !== timer) return;
        this.#patience = undefined;
        if (this.#sent.size > 0) act();
      });
    }, delayMs).unref();
    this.#patience = timer;
  }

  #endPatience(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#isLate = false;
  }

  #acknowledged(batch: readonly string[], epoch: number): void {
    if (epoch !== this.#epoch || this.#closed) return;
    this.#endPatience();
    for (const channel of batch) {
      this.#sent.delete(channel);
      if (channel === this.#trial) this.#endTrial();
      if (this.#live.has(channel)) continue;
      if (this.#wanted.has(channel)) this.#goneLive(channel);
      else this.#leaving.add(channel);
    }
    if (this.#leaving.size > 0) this.#schedule();
    this.#bePatient();
    this.#events.changed();
  }

  #refused(batch: readonly string[], epoch: number, error: unknown): void {
    if (epoch !== this.#epoch || this.#closed) return;
    for (const channel of batch) {
      this.#sent.delete(channel);
      if (this.#wanted.has(channel) && !this.#live.has(channel)) this.#miss(channel);
    }
    const isTrial = batch.includes(this.#trial ?? "");
    if (!isLasting(error)) {
      // It may have its place elsewhere by now.
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

  #endTrial(): void {
    this.#trial = undefined;
    this.#refusals = 0;
  }

  #miss(channel: string): void {
    if (!this.#sent.has(channel)) this.#missing.add(channel);
  }

  #goneLive(channel: string): void {
    this.#live.add(channel);
    this.#missing.delete(channel);
    if (this.#restoring.delete(channel)) this.#events.restored(channel);
    this.#events.live(channel);
  }

  /** The connection broke or is a new one: nothing is subscribed on it. */
  #renewed(): void {
    this.#epoch++;
    this.#endPatience();
    this.#sent.clear();
    this.#leaving.clear();
    this.#left.clear();
    this.#loseAll();
    this.#events.renewed();
    this.#events.changed();
    this.#flush();
  }

  /** Redis has let some channel go by itself and does not say which one. */
  #onMoved(): void {
    this.#loseAll();
    this.#events.changed();
    this.#events.moved();
  }

  #loseAll(): void {
    for (const channel of this.#live) this.#restoring.add(channel);
    this.#live.clear();
    for (const channel of this.#wanted) this.#miss(channel);
  }

  /** One command each. A sharded one takes channels of one slot only. */
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
