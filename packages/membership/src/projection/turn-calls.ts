import { type ErrorCode, isCmError, type Lease } from "@cm/protocol";
import { atTurnEnd, splitLongTurn } from "@cm/protocol/turns";

/** Maximum number of items per call: a script that writes more blocks the store for milliseconds. */
const ITEMS_MAX = 250;

/** Errors that concern the whole call, regardless of its items. */
const OF_ALL: ReadonlySet<ErrorCode> = new Set(["lease-lost", "unavailable", "timeout", "closed", "layout-mismatch"]);

/** Items that wait for the same call. */
export interface Batch<Item> {
  readonly lease: Lease;
  readonly target: string;
  readonly items: Item[];
  readonly written: Promise<void>;
  /** Starts the call, which settles `written`. */
  readonly send: () => void;
}

/**
 * Combines the writes of one event loop turn into one call per target: if many clients connect or join at
 * once, the store executes one command per target, not per client.
 */
export class TurnCalls<Item> {
  readonly #write: (lease: Lease, target: string, items: readonly Item[]) => Promise<void>;
  /** The latest batch of each target. A new map for each turn: a cleared one would keep the batches of earlier turns. */
  #open = new Map<string, Batch<Item>>();
  #waiting: Batch<Item>[] = [];

  constructor(write: (lease: Lease, target: string, items: readonly Item[]) => Promise<void>) {
    this.#write = write;
  }

  /** Adds an item. Resolves like {@link written}. */
  add(lease: Lease, target: string, item: Item): Promise<void> {
    return this.written(this.enqueue(lease, target, item), item);
  }

  /** Adds an item to a batch, whose result {@link written} returns. */
  enqueue(lease: Lease, target: string, item: Item): Batch<Item> {
    const known = this.#open.get(target);
    const isOpen = known !== undefined && known.lease === lease && known.items.length < ITEMS_MAX;
    const batch = isOpen ? known : this.#begin(lease, target);
    batch.items.push(item);
    return batch;
  }

  /**
   * Resolves when the item is written. If the store refuses the call because of one item, each item is
   * retried alone, so that only that item fails.
   */
  async written(batch: Batch<Item>, item: Item): Promise<void> {
    try {
      await batch.written;
    } catch (error) {
      if (batch.items.length === 1 || !isCmError(error) || OF_ALL.has(error.code)) throw error;
      await this.#write(batch.lease, batch.target, [item]);
    }
  }

  #begin(lease: Lease, target: string): Batch<Item> {
    const items: Item[] = [];
    let send = (): void => undefined;
    const written = new Promise<void>((resolve, reject) => {
      // The async function also turns a synchronous throw of the store into a rejection; otherwise it would
      // be uncaught here.
      const write = async (): Promise<void> => this.#write(lease, target, items);
      send = () => void write().then(resolve, reject);
    });
    // Callers may first wait for another batch.
    written.catch(() => undefined);
    const batch = { lease, target, items, written, send };
    this.#open.set(target, batch);
    if (this.#waiting.length === 0) atTurnEnd(() => this.#sendAll());
    else splitLongTurn();
    this.#waiting.push(batch);
    return batch;
  }

  /** Starts the calls for all targets at once, so that the store can combine them further. */
  #sendAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#open = new Map();
    for (const { send } of waiting) send();
  }
}
