import {
  type Bus,
  type BusHandler,
  type Channel,
  CmError,
  type Published,
  type ResumeHandler,
  type Subscription,
} from "@cm/protocol";
import { notBytes } from "@cm/protocol/options";
import { alreadySubscribed, storeClosed } from "@cm/protocol/store";
import type { Keys } from "../keys/key-names.js";
import type { Subscribers } from "../link/single-subscriber.js";
import { beginsLikeBatch, decodeBatch } from "./message-batch.js";
import { MESSAGE_BYTES_MAX, tooLarge } from "./message-limit.js";
import type { Publisher } from "./publisher.js";
import { type KnownTarget, TurnPublisher } from "./turn-publisher.js";

/** Dependencies and settings of the bus. */
export interface RedisBusParts {
  readonly keys: Keys;
  readonly publisher: Publisher;
  readonly subscribers: Subscribers;
  readonly commandTimeoutMs: number;
  /** Maximum time that a message to a busy room waits for others, in milliseconds; 0: it does not wait. */
  readonly publishWindowMs: (room: string) => number;
  /** Time in milliseconds since the moment until which all messages are known to have arrived. */
  readonly heardAllAgoMs: () => number;
  readonly onThrow: (cause: unknown) => void;
}

class Entry implements Subscription {
  /** The channel's name in Redis. */
  readonly name: string;
  readonly handler: BusHandler;
  readonly onResumed: ResumeHandler | undefined;
  /** Settles the promise of `subscribe`; `undefined` once it has settled. */
  waiting: { readonly resolve: () => void; readonly reject: (error: CmError) => void } | undefined;
  readonly #remove: (entry: Entry) => void;

  constructor(name: string, handler: BusHandler, onResumed: ResumeHandler | undefined, remove: (entry: Entry) => void) {
    this.name = name;
    this.handler = handler;
    this.onResumed = onResumed;
    this.#remove = remove;
  }

  async close(): Promise<void> {
    this.#remove(this);
  }
}

/**
 * The bus over Redis channels. Messages are passed on unchanged; those of one turn, or of one window, to one channel
 * travel as one message of Redis.
 */
export class RedisBus implements Bus {
  readonly #parts: RedisBusParts;
  readonly #publisher: TurnPublisher;
  /**
   * The subscriptions, keyed by the bytes of the channel's name read as Latin-1: the key that is cheapest to
   * compute for each message.
   */
  readonly #entries = new Map<string, Entry>();
  /**
   * Publish targets, keyed by the channel object that a caller passed: a caller that publishes repeatedly
   * passes the same object.
   */
  readonly #targets = new WeakMap<Channel, KnownTarget>();
  #closed = false;
  /** Removes an entry. This is one function for all entries, instead of one closure per entry. */
  readonly #remove = (entry: Entry): void => {
    const bytes = latin1(entry.name);
    if (this.#entries.get(bytes) !== entry) return;
    this.#entries.delete(bytes);
    this.#parts.subscribers.drop(entry.name);
  };

  constructor(parts: RedisBusParts) {
    this.#parts = parts;
    this.#publisher = new TurnPublisher(parts.publisher);
  }

  publish(channel: Channel, message: Uint8Array): Promise<Published> {
    if (!(message instanceof Uint8Array)) return Promise.reject(notBytes("message"));
    if (message.length > MESSAGE_BYTES_MAX) return Promise.reject(tooLarge(message.length));
    let known = this.#targets.get(channel);
    if (known === undefined) {
      const { publisher, keys, publishWindowMs } = this.#parts;
      const windowMs = channel.kind === "room" ? publishWindowMs(channel.name) : 0;
      known = { target: publisher.target(keys.channel(channel)), windowMs };
      this.#targets.set(channel, known);
    }
    // A server counts as present if it subscribes to its channel, so subscribers of patterns are not counted for it.
    return this.#publisher.publish(known, asBuffer(message), channel.kind === "server");
  }

  async subscribe(channel: Channel, handler: BusHandler, onResumed?: ResumeHandler): Promise<Subscription> {
    if (this.#closed) throw storeClosed();
    const text = this.#parts.keys.channel(channel);
    const bytes = latin1(text);
    // If both strings are equal, keep only the one decoded from bytes: V8 stores it in one piece, and not as a
    // chain of concatenated parts.
    const name = text === bytes ? bytes : text;
    if (this.#entries.has(bytes)) {
      throw alreadySubscribed(channel);
    }
    const entry = new Entry(name, handler, onResumed, this.#remove);
    this.#entries.set(bytes, entry);
    try {
      await this.#untilLive(entry);
    } catch (error) {
      this.#remove(entry);
      throw error;
    }
    return entry;
  }

  /** Whether this store subscribes to the channel. */
  hears(channel: Channel): boolean {
    return this.#entries.has(latin1(this.#parts.keys.channel(channel)));
  }

  /** Handles an incoming message. Returns whether the channel belongs to the bus. */
  take(channel: Buffer, payload: Buffer): boolean {
    const name = channel.toString("latin1");
    const entry = this.#entries.get(name);
    if (entry === undefined) return false;
    // Bytes that only begin like a batch are passed on as they are, so that the subscriber counts them as damaged.
    const batch = beginsLikeBatch(payload) ? decodeBatch(payload) : undefined;
    if (batch === undefined) {
      this.#handle(entry, payload);
      return true;
    }
    for (const message of batch) {
      // A handler may end its subscription between two messages.
      if (this.#entries.get(name) !== entry) break;
      this.#handle(entry, message);
    }
    return true;
  }

  /** Handles that a channel is live: all messages published from now on arrive. */
  live(name: string): void {
    const entry = this.#entries.get(latin1(name));
    if (entry === undefined) return;
    if (entry.waiting !== undefined) {
      entry.waiting.resolve();
      return;
    }
    try {
      entry.onResumed?.(this.#parts.heardAllAgoMs());
    } catch (cause) {
      this.#parts.onThrow(cause);
    }
  }

  /** Sends the messages that wait, and ends all subscriptions. Pending `subscribe` calls reject with `closed`. */
  close(): void {
    this.#closed = true;
    this.#publisher.flush();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) entry.waiting?.reject(storeClosed());
  }

  #handle(entry: Entry, message: Buffer): void {
    try {
      entry.handler(message);
    } catch (cause) {
      this.#parts.onThrow(cause);
    }
  }

  #untilLive(entry: Entry): Promise<void> {
    const { subscribers, commandTimeoutMs } = this.#parts;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        entry.waiting = undefined;
      };
      const timer = setTimeout(() => {
        settle();
        reject(new CmError("unavailable", `The channel could not be subscribed within ${commandTimeoutMs} ms.`));
      }, commandTimeoutMs);
      entry.waiting = {
        resolve: () => {
          settle();
          resolve();
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      subscribers.want(entry.name);
    });
  }
}

/** Returns the bytes as a `Buffer`, because ioredis would convert any other byte array to text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function latin1(name: string): string {
  return Buffer.from(name, "utf8").toString("latin1");
}
