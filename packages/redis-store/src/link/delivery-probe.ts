import { isCmError } from "@cm/protocol";

/** Options of a {@link DeliveryProbe}. */
export interface DeliveryProbeOptions {
  /** Publishes to the probe's channel, over the same path as all messages. */
  readonly publish: (payload: Buffer) => Promise<number>;
  /** Whether there is a connection that can subscribe. */
  readonly isReady: () => boolean;
  /** Whether the probe's channel is subscribed on the current connection. */
  readonly isLive: () => boolean;
  /** Closes the subscribing connection, over which nothing arrives, so that a new one is made. */
  readonly replace: () => void;
  /**
   * Like `replace`, for the connection that publishes. Called if two publishes in a row got no reply, or if
   * no message arrived over a replaced subscriber either: messages may then be going to the wrong Redis
   * server.
   */
  readonly replacePublisher: () => void;
  /** Called when the probe's state may have changed. */
  readonly changed: () => void;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/**
 * Whether messages are known to arrive over a connection:
 *
 * - `unproven`: no message has arrived over it yet
 * - `proven`: a message has arrived, and the next one is not late
 * - `late`: a message should have arrived by now
 * - `failed`: messages cannot be published, so it is unknown whether they would arrive
 */
export type Proof = "unproven" | "proven" | "late" | "failed";

/**
 * Number of unanswered publishes in a row after which the publishing connection is replaced. This matters for
 * connections that the application passed in, which may serve other purposes as well: the store's own connections
 * have a `socketTimeout`, with which the client drops them at the first command without a reply.
 */
const SILENCES = 2;

interface Outstanding {
  readonly payload: Buffer;
  /**
   * When the message was passed to the client, in milliseconds of the monotonic clock. Messages that were published
   * earlier over the same client are received earlier.
   */
  readonly publishedAt: number;
  /**
   * When the message was sent, in milliseconds of the monotonic clock. Time during which this process was
   * stopped is added.
   */
  sentAt: number;
  answeredAt: number | undefined;
  isHeard: boolean;
  /** Whether the message must arrive: `false` if the channel was not live all the time. */
  isExpected: boolean;
}

/**
 * Checks that a subscriber receives published messages. A connection can look healthy for hours although
 * nothing arrives over it any more, so each connection subscribes to a channel of its own, and messages
 * published there must arrive. A slow connection is not replaced: time counts from the moment at which Redis
 * has accepted the message, excluding time during which this process itself was stopped.
 */
export class DeliveryProbe {
  readonly #options: DeliveryProbeOptions;
  readonly #timer: NodeJS.Timeout;
  #outstanding: Outstanding | undefined;
  #count = 0;
  /** Number of replacements since a message last arrived. */
  #replaced = 0;
  /** Number of timeouts since a publish was last acknowledged. */
  #unanswered = 0;
  #proof: Proof = "unproven";
  #provenAt: number | undefined;
  #heardUntil: number | undefined;
  #lookedAt = performance.now();
  /** The time since which there is a connection on which the channel is not subscribed. */
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

  /** When a message last arrived, in milliseconds of the monotonic clock. */
  get provenAt(): number | undefined {
    return this.#provenAt;
  }

  /** All messages published before this moment have been received; in milliseconds of the monotonic clock. */
  get heardUntil(): number | undefined {
    return this.#heardUntil;
  }

  /** Sends a message at once, because the connection may work again. */
  hurry(): void {
    if (!this.#closed) this.#send();
  }

  /**
   * Handles a connection that broke or is new: nothing is known about it, and no pending message is expected
   * any more.
   */
  reset(): void {
    if (this.#outstanding !== undefined) this.#outstanding.isExpected = false;
    if (this.#proof !== "failed") this.#become("unproven");
  }

  /** Handles a message that arrived on the probe's channel. */
  take(payload: Buffer): void {
    // Ignore a message other than the latest: it was sent over an earlier connection.
    if (this.#outstanding?.isExpected !== true || !payload.equals(this.#outstanding.payload)) return;
    this.#outstanding.isHeard = true;
    // The message may arrive before the publisher's connection gets its reply, or without any reply.
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
      // This process was stopped, and messages that arrived during that time have not been read yet.
      outstanding.sentAt += lostMs;
      if (outstanding.answeredAt !== undefined) outstanding.answeredAt += lostMs;
      return;
    }
    // A message that is not expected needs no timeout here: its publish has the deadline of any command.
    if (!outstanding.isExpected) return;
    const { answeredAt, isHeard } = outstanding;
    if (!isHeard && answeredAt !== undefined && now - answeredAt >= timeoutMs) {
      this.#replace();
      return;
    }
    if (now - outstanding.sentAt >= timeoutMs / 2) this.#become("late");
  }

  /** Whether Redis accepts messages, but has not acknowledged the subscription of this connection in time. */
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
    this.#proof = "proven";
    // Also if the proof was there before: the moments above have changed.
    this.#options.changed();
  }

  /**
   * Handles a publish that failed. The probe only counts the failure: callers of the bus get the reason from
   * their own calls.
   */
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
