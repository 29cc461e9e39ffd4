/**
 * The channels that are wanted on one subscribing connection, and how far their subscription is. A wanted channel is
 * either live or pending; a pending one is missing until its subscription is sent.
 */
export class WantedChannels {
  readonly #live = new Set<string>();
  readonly #pending = new Set<string>();
  /**
   * Pending channels that were live on an earlier connection. Until they are live again, messages are missed.
   */
  readonly #restoring = new Set<string>();
  /**
   * Pending channels that are not sent. They are kept as a separate set, so that a join does not iterate over
   * all channels.
   */
  readonly #missing = new Set<string>();
  /**
   * Channels whose subscription was sent on this connection, but is not acknowledged yet. Some may no longer
   * be wanted.
   */
  readonly #sent = new Set<string>();

  /** Whether all wanted channels are live. */
  get areLive(): boolean {
    return this.#pending.size === 0;
  }

  /** Whether all channels that were live before are live. */
  get areRestored(): boolean {
    return this.#restoring.size === 0;
  }

  /** Whether any subscription is sent and not acknowledged. */
  get hasSent(): boolean {
    return this.#sent.size > 0;
  }

  isLive(channel: string): boolean {
    return this.#live.has(channel);
  }

  isPending(channel: string): boolean {
    return this.#pending.has(channel);
  }

  isSent(channel: string): boolean {
    return this.#sent.has(channel);
  }

  /** All wanted channels. */
  all(): string[] {
    return [...this.#live, ...this.#pending];
  }

  /** The channels to subscribe. */
  missing(): string[] {
    return [...this.#missing];
  }

  /** Adds a channel that is not live. `wasLive` means that it was live on another connection. */
  add(channel: string, wasLive: boolean): void {
    this.#pending.add(channel);
    if (wasLive) this.#restoring.add(channel);
  }

  /** Removes a channel. Its subscription may still be sent. */
  remove(channel: string): void {
    this.#live.delete(channel);
    this.#pending.delete(channel);
    this.#restoring.delete(channel);
    this.#missing.delete(channel);
  }

  /** Marks a pending channel as one to subscribe, unless its subscription is sent. */
  markMissing(channel: string): void {
    if (!this.#sent.has(channel)) this.#missing.add(channel);
  }

  /** Marks a channel's subscription as sent. The channel may be one that is not wanted. */
  markSent(channel: string): void {
    this.#sent.add(channel);
    this.#missing.delete(channel);
  }

  /** Marks a channel's subscription as acknowledged or refused. */
  markAnswered(channel: string): void {
    this.#sent.delete(channel);
  }

  /** Marks a pending channel as live. Returns whether it was live before, so that messages were missed. */
  markLive(channel: string): boolean {
    this.#live.add(channel);
    this.#pending.delete(channel);
    this.#missing.delete(channel);
    return this.#restoring.delete(channel);
  }

  /** Makes all live channels pending again. */
  loseAll(): void {
    for (const channel of this.#live) {
      this.#restoring.add(channel);
      this.#pending.add(channel);
    }
    this.#live.clear();
    for (const channel of this.#pending) this.markMissing(channel);
  }

  /** Forgets what was sent, and makes all channels pending: nothing is subscribed on a new connection. */
  renew(): void {
    this.#sent.clear();
    this.loseAll();
  }
}
