import { isCmError } from "@cm/protocol";

/** How a {@link DeliveryProbe} works. */
export interface DeliveryProbeOptions {
  /** Publishes to the probe's channel, by the way that all messages go. */
  readonly publish: (payload: Buffer) => Promise<number>;
  /** Whether there is a connection to subscribe with. */
  readonly isReady: () => boolean;
  /** Whether the channel is subscribed on the connection that exists now. */
  readonly isLive: () => boolean;
  /** Takes the connection down that stays silent, so that a new one is made. */
  readonly replace: () => void;
  /**
   * The same for the connection that publishes: it gave no answer twice, or a new
   * subscriber was silent too, so that messages may go to another place.
   */
  readonly replacePublisher: () => void;
  /** What the probe says may have changed. */
  readonly changed: () => void;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/**
 * What is known of a connection.
 *
 * - `unproven`: nothing came over it yet
 * - `proven`: a message came through, and the next is not late
 * - `late`: a message should have come by now
 * - `failed`: messages can't be published, so nothing can be said about hearing them
 */
export type Proof = "unproven" | "proven" | "late" | "failed";

/**
 * Our own connections are dropped by their client at the first command without an
 * answer. Those of an application need not be, and it may have more to do with them.
 */
const SILENCES = 2;

interface Outstanding {
  readonly payload: Buffer;
  /** When it was handed to the client: whatever is published there before, is heard before. */
  readonly publishedAt: number;
  /** Moments, in milliseconds of the monotonic clock; time that this process stood still is added to them. */
  sentAt: number;
  answeredAt: number | undefined;
  isHeard: boolean;
  /** Whether it must come back: not where the channel was not live all the time. */
  isExpected: boolean;
}

/**
 * Shows that a subscriber hears what is published. A connection can look healthy for
 * hours while nothing comes over it any more; so each one listens on a channel of its own,
 * and what is published there must come back. It does not tear down what is merely slow:
 * time counts from when Redis has taken the message, and not while this process stood
 * still itself.
 */
export class DeliveryProbe {
  readonly #options: DeliveryProbeOptions;
  readonly #timer: NodeJS.Timeout;
  #outstanding: Outstanding | undefined;
  #count = 0;
  /** Since a message came through. */
  #replaced = 0;
  /** Since a publish was answered. */
  #unanswered = 0;
  #proof: Proof = "unproven";
  #provenAt: number | undefined;
  #heardUntil: number | undefined;
  #lookedAt = performance.now();
  /** Since when there is a connection without the channel. */
  #unsubscribedAt: number | undefined;
  #closed = false;

  constructor(options: DeliveryProbeOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.intervalMs);
    this.#timer.unref();
  }

  get proof(): Proof {
    return this.#proof;
  }

  /** When a message last came through, in milliseconds of the monotonic clock. */
  get provenAt(): number | undefined {
    return this.#provenAt;
  }

  /** What was published before this moment has been heard, in milliseconds of the monotonic clock. */
  get heardUntil(): number | undefined {
    return this.#heardUntil;
  }

  /** Asks at once: something has changed for the better. */
  hurry(): void {
    if (!this.#closed) this.#send();
  }

  /** The connection broke, or is a new one: nothing is known of it, and no answer awaited. */
  reset(): void {
    if (this.#outstanding !== undefined) this.#outstanding.isExpected = false;
    if (this.#proof !== "failed") this.#become("unproven");
  }

  /** Something came in over the probe's channel. */
  take(payload: Buffer): void {
    // Of an earlier connection, where it is not what was sent last.
    if (this.#outstanding?.isExpected !== true || !payload.equals(this.#outstanding.payload)) return;
    this.#outstanding.isHeard = true;
    // It may be heard before, or without, the publisher's connection having the answer.
    if (this.#outstanding.answeredAt !== undefined) this.#proven(this.#outstanding);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#outstanding = undefined;
  }

  #look(): void {
    const { intervalMs, timeoutMs } = this.#options;
    const now = performance.now();
    const lostMs = now - this.#lookedAt - intervalMs;
    this.#lookedAt = now;
    if (this.#isStuck(now, lostMs)) {
      this.#replace();
      return;
    }
    const outstanding = this.#outstanding;
    if (outstanding === undefined) {
      this.#send();
      return;
    }
    if (lostMs > intervalMs) {
      // This process stood still, and what came in meanwhile is not read yet.
      outstanding.sentAt += lostMs;
      if (outstanding.answeredAt !== undefined) outstanding.answeredAt += lostMs;
      return;
    }
    // Its deadline is that of any command.
    if (!outstanding.isExpected) return;
    const { answeredAt, isHeard } = outstanding;
    if (!isHeard && answeredAt !== undefined && now - answeredAt >= timeoutMs) {
      this.#replace();
      return;
    }
    if (now - outstanding.sentAt >= timeoutMs / 2) this.#become("late");
  }

  /** Whether Redis takes messages, but the connection's subscription is not acknowledged in time. */
  #isStuck(now: number, lostMs: number): boolean {
    const { isReady, isLive, timeoutMs, intervalMs } = this.#options;
    if (!isReady() || isLive() || this.#proof === "failed" || lostMs > intervalMs) {
      this.#unsubscribedAt = undefined;
      return false;
    }
    this.#unsubscribedAt ??= now;
    return now - this.#unsubscribedAt >= timeoutMs;
  }

  #replace(): void {
    this.#outstanding = undefined;
    this.#unsubscribedAt = undefined;
    this.#become("unproven");
    this.#options.replace();
    if (++this.#replaced > 1) this.#options.replacePublisher();
  }

  #send(): void {
    const { publish, isLive } = this.#options;
    const payload = Buffer.from(String(++this.#count));
    const now = performance.now();
    const outstanding: Outstanding = {
      payload,
      publishedAt: now,
      sentAt: now,
      answeredAt: undefined,
      isHeard: false,
      isExpected: isLive(),
    };
    this.#outstanding = outstanding;
    publish(payload).then(
      () => this.#answered(outstanding),
      (error) => this.#refused(outstanding, error),
    );
  }

  #answered(outstanding: Outstanding): void {
    if (this.#closed) return;
    this.#unanswered = 0;
    if (this.#proof === "failed") this.#become("unproven");
    if (this.#outstanding !== outstanding) return;
    outstanding.answeredAt = performance.now();
    if (!outstanding.isExpected) this.#outstanding = undefined;
    else if (outstanding.isHeard) this.#proven(outstanding);
  }

  #proven({ publishedAt }: Outstanding): void {
    this.#outstanding = undefined;
    this.#heardUntil = publishedAt;
    this.#provenAt = performance.now();
    this.#replaced = 0;
    this.#become("proven");
    this.#options.changed();
  }

  /** Publishers get the reason with their own calls; here it only counts that it failed. */
  #refused(outstanding: Outstanding, error: unknown): void {
    if (this.#closed || this.#outstanding !== outstanding) return;
    this.#outstanding = undefined;
    this.#become("failed");
    this.#unanswered = isCmError(error) && error.code === "timeout" ? this.#unanswered + 1 : 0;
    if (this.#unanswered < SILENCES) return;
    this.#unanswered = 0;
    this.#options.replacePublisher();
  }

  #become(proof: Proof): void {
    if (proof === this.#proof) return;
    this.#proof = proof;
    this.#options.changed();
  }
}
