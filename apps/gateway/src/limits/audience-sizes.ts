import type { FanOutAccount } from "./fan-out-budget.js";

/** Time after which a size is read again, and time after which it is no longer used, in milliseconds. */
const KEPT_MS = 5_000;
const OUTDATED_MS = 2 * KEPT_MS;

/** Maximum number of audiences that are tracked; beyond it, the least recently read one is forgotten. */
const AUDIENCES_MAX = 10_000;

/**
 * The messages that one connection has sent to an audience while its size is being read, and the number of
 * receivers that were charged for them.
 */
interface Unsettled {
  messages: number;
  charged: number;
}

interface Audience {
  size: number;
  /** Time of the last read of the size, even if it failed; `-Infinity` before the first one. */
  readAt: number;
  /** The messages to charge for once the size is read; `undefined` while no read is in progress. */
  unsettled: Map<FanOutAccount, Unsettled> | undefined;
}

/**
 * Charges messages to rooms or to users by the number of their receivers on all servers. A message never waits for
 * that number: it is charged for the receivers that are known, and the connection owes the others once they have
 * been counted. The store is asked at most once in five seconds for each name, and only for a connection that has
 * sent another message to a name of unknown size within a second, so that clients that send rarely cause no reads.
 */
export class AudienceSizes {
  readonly #read: (name: string) => Promise<number>;
  readonly #monotonicMs: () => number;
  /** The audiences by name, the least recently read one first. */
  readonly #audiences = new Map<string, Audience>();

  constructor(read: (name: string) => Promise<number>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Charges a message, before it is sent, for its known receivers, at least the `local` ones. Throws
   * `rate-limited` as {@link FanOutAccount.pay}.
   */
  charge(account: FanOutAccount, name: string, local: number): void {
    const now = this.#monotonicMs();
    const known = this.#audiences.get(name);
    const age = known === undefined ? Number.POSITIVE_INFINITY : now - known.readAt;
    const charged = Math.max(local, age > OUTDATED_MS ? 0 : (known?.size ?? 0));
    account.pay(charged);
    if (age <= KEPT_MS || account.isFirstOfUnknownSize()) return;
    const audience = this.#use(name, known);
    audience.unsettled ??= this.#count(name, audience);
    const unsettled = audience.unsettled.get(account) ?? { messages: 0, charged: 0 };
    unsettled.messages++;
    unsettled.charged += charged;
    audience.unsettled.set(account, unsettled);
  }

  /** Starts to read a size. Returns an empty map for the messages that are to be charged after the read. */
  #count(name: string, audience: Audience): Map<FanOutAccount, Unsettled> {
    const unsettled = new Map<FanOutAccount, Unsettled>();
    const settle = (): void => {
      audience.readAt = this.#monotonicMs();
      audience.unsettled = undefined;
    };
    this.#read(name).then(
      (size) => {
        settle();
        audience.size = size;
        for (const [account, { messages, charged }] of unsettled) account.owe(Math.max(0, messages * size - charged));
      },
      // Ignore a failed read: the size stays as it was, and the message itself fails if the store is unavailable.
      settle,
    );
    return unsettled;
  }

  /** Returns the audience, created if necessary, and marks it as the one used last. */
  #use(name: string, known: Audience | undefined): Audience {
    if (known !== undefined) this.#audiences.delete(name);
    else if (this.#audiences.size >= AUDIENCES_MAX) {
      const [oldest] = this.#audiences.keys();
      if (oldest !== undefined) this.#audiences.delete(oldest);
    }
    const audience = known ?? { size: 0, readAt: Number.NEGATIVE_INFINITY, unsettled: undefined };
    this.#audiences.set(name, audience);
    return audience;
  }
}
