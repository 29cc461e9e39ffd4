import type { Published } from "@cm/protocol";
import { atTurnEnd, BUSY_AT_PER_SECOND, splitLongTurn } from "@cm/protocol/turns";
import { BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, beginsLikeBatch, encodeBatch } from "./message-batch.js";
import type { PublishTarget } from "./publish-command.js";
import { PublishWindow } from "./publish-window.js";
import type { Publisher } from "./publisher.js";

/**
 * Maximum total size in bytes of the messages that wait for the end of the turn. Before a message would exceed it,
 * the waiting ones are sent, so that the limits for commands that wait for a reply apply to them.
 */
const WAITING_BYTES_MAX = 1024 * 1024;

/**
 * With this many bytes of messages or more, none waits longer than the turn: more would not make the write much cheaper
 * for each of them.
 */
const WORTH_A_WRITE_BYTES = 16 * 1024;

/** A channel that messages are published on. */
export interface KnownTarget {
  readonly target: PublishTarget;
  /** Maximum time that a message waits for others while the channel is busy, in milliseconds; 0: it does not wait. */
  readonly windowMs: number;
}

/** The messages of one turn to one channel, with the callers that wait for their outcome. */
interface Waiting {
  readonly target: PublishTarget;
  readonly isCounted: boolean;
  readonly messages: Buffer[];
  readonly callers: Caller[];
  bytes: number;
}

interface Caller {
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends the messages that are published on one channel in one turn of the event loop as one command. They wait no
 * longer than a command that is sent at once: Redis's stream is corked until the end of the turn anyway. The
 * messages of a channel keep their order, and every caller gets the outcome of the command that carried its message.
 *
 * Messages on busy channels with a window wait for messages of further turns; any other message ends their wait with
 * the turn, and is sent after them. Messages of different channels that wait together may change their order.
 */
export class TurnPublisher {
  readonly #publisher: Publisher;
  readonly #window = new PublishWindow();
  /** Ends the window; `undefined` if none is open. */
  #timer: NodeJS.Timeout | undefined;
  /** Length of the open window, in milliseconds. */
  #windowMs = 0;
  /**
   * The messages that wait, by the name of their channel, in the order of the first message of each channel. Each flush
   * leaves the map behind: a map that is cleared links its old table to the new one, so that the garbage collector keeps
   * the messages of all turns once one old table has survived.
   */
  #waiting = new Map<string, Waiting>();
  #bytes = 0;
  readonly #flush = (): void => this.flush();

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  /** `isCounted` selects {@link Publisher.publishCounted}; it is the same for all messages of a channel. */
  publish(known: KnownTarget, message: Buffer, isCounted: boolean): Promise<Published> {
    return new Promise((resolve, reject) => {
      if (this.#bytes + message.length > WAITING_BYTES_MAX) this.flush();
      this.#awaitOthers(known, message.length);
      const { target } = known;
      let waiting = this.#waiting.get(target.channel);
      if (waiting !== undefined && isFull(waiting, message)) {
        this.#send(waiting);
        waiting = undefined;
      }
      if (waiting === undefined) {
        waiting = { target, isCounted, messages: [], callers: [], bytes: 0 };
        this.#waiting.set(target.channel, waiting);
      }
      waiting.messages.push(message);
      waiting.callers.push({ resolve, reject });
      waiting.bytes += message.length;
      this.#bytes += message.length;
    });
  }

  /** Sends all messages that wait. */
  flush(): void {
    this.#endWindow();
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const messages of waiting.values()) this.#send(messages);
  }

  /** Decides how long a message waits, together with those that wait already. */
  #awaitOthers({ target, windowMs }: KnownTarget, bytes: number): void {
    const now = windowMs > 0 || this.#timer !== undefined ? performance.now() : 0;
    const isBusy = windowMs > 0 && target.rate.count(now) >= BUSY_AT_PER_SECOND;
    const mayWait = isBusy && this.#bytes + bytes < WORTH_A_WRITE_BYTES;
    if (this.#waiting.size === 0) {
      if (mayWait && this.#window.open(now)) {
        this.#windowMs = windowMs;
        this.#timer = setTimeout(this.#flush, windowMs);
      } else {
        atTurnEnd(this.#flush);
      }
    } else if (this.#timer === undefined) {
      splitLongTurn();
    } else {
      this.#window.count(now);
      if (mayWait && windowMs >= this.#windowMs) return;
      this.#endWindow();
      atTurnEnd(this.#flush);
    }
  }

  #endWindow(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#window.close(performance.now());
  }

  #send({ target, isCounted, messages, callers, bytes }: Waiting): void {
    this.#bytes -= bytes;
    const [first] = messages;
    const isAlone = messages.length === 1 && first !== undefined && !beginsLikeBatch(first);
    const message = isAlone ? first : encodeBatch(messages);
    const { length } = messages;
    const sent = isCounted
      ? this.#publisher.publishCounted(target, message, length)
      : this.#publisher.publish(target, message, length);
    sent.then(
      (subscribers) => {
        const published = subscribers === undefined ? {} : { subscribers };
        for (const caller of callers) caller.resolve(published);
      },
      (error: unknown) => {
        for (const caller of callers) caller.reject(error);
      },
    );
  }
}

function isFull({ messages, bytes }: Waiting, message: Buffer): boolean {
  return messages.length >= BATCH_MESSAGES_MAX || bytes + message.length > BATCH_BYTES_MAX;
}
