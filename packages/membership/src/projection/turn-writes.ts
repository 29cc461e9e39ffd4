import { type ErrorCode, isCmError, type Lease } from "@cm/protocol";

/** Items that go into one call at most: a script that writes more holds the store for milliseconds. */
const ITEMS_MAX = 250;

/** What a call fails with whatever is in it. */
const OF_ALL: ReadonlySet<ErrorCode> = new Set(["lease-lost", "unavailable", "timeout", "closed", "layout-mismatch"]);

/** Items that wait for one call. */
interface Batch<Item> {
  readonly lease: Lease;
  readonly items: Item[];
  readonly written: Promise<void>;
}

/**
 * Writes what is asked for within one turn of the event loop in one call for each target: many clients that
 * connect or join at once cost the store a command for each target and not for each client.
 */
export class TurnWrites<Item> {
  readonly #write: (lease: Lease, target: string, items: readonly Item[]) => Promise<void>;
  readonly #open = new Map<string, Batch<Item>>();

  constructor(write: (lease: Lease, target: string, items: readonly Item[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the item is written. An item that the store refuses fails alone. */
  async add(lease: Lease, target: string, item: Item): Promise<void> {
    const known = this.#open.get(target);
    const isOpen = known !== undefined && known.lease === lease && known.items.length < ITEMS_MAX;
    const batch = isOpen ? known : this.#begin(lease, target);
    batch.items.push(item);
    try {
      await batch.written;
    } catch (error) {
      if (batch.items.length === 1 || !isCmError(error) || OF_ALL.has(error.code)) throw error;
      await this.#write(lease, target, [item]);
    }
  }

  #begin(lease: Lease, target: string): Batch<Item> {
    const items: Item[] = [];
    const written = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        if (this.#open.get(target) === batch) this.#open.delete(target);
        // Also where a store throws instead of failing: nothing above would catch that here.
        const write = async (): Promise<void> => this.#write(lease, target, items);
        write().then(resolve, reject);
      });
    });
    const batch = { lease, items, written };
    this.#open.set(target, batch);
    return batch;
  }
}
