import type { Store } from "@cm/protocol";
import { requireOptions } from "@cm/protocol/options";

/** A store under test, with what the suites need around it. */
export interface StoreHarness {
  /** Started, on fresh data that only it and its peers see. */
  readonly store: Store;
  /** Another store on the same data, started. */
  peer(): Promise<Store>;
  /** Another store on the same data, not started. */
  unstarted(): Store;
  /** Advances the time that the store judges leases by, by about `ms` milliseconds. */
  letTimePass(ms: number): Promise<void>;
  /**
   * How many things the store holds (keys, for a database), where that can be told.
   * With it the suites check that what was taken out leaves nothing behind. What is
   * remembered of users who are offline, and the versions of feeds, which run out by
   * themselves, are left out, and so are servers and histories.
   */
  storedThings(): Promise<number> | undefined;
  /** Closes all stores and removes the data. */
  close(): Promise<void>;
}

/** Makes a harness on data of its own; called once for each test. */
export type HarnessFactory = () => Promise<StoreHarness>;

/** What {@link createStoreHarness} makes a harness of. */
export interface StoreHarnessParts {
  /** A store that is not started, on the data of this harness. Called at least once, and once more for each peer. */
  createStore(): Store;
  /**
   * Advances the time that the store judges leases by, by about `ms` milliseconds: turn the clock that
   * you gave the store, or leave it out. Default: waits for real, 60 ms at most times.
   */
  readonly letTimePass?: (ms: number) => Promise<void>;
  /**
   * Counts what the store holds; see `StoreHarness.storedThings`. Default: not counted, and a
   * skipped test says so.
   */
  readonly storedThings?: () => Promise<number>;
  /** Removes the data. Called once, after all stores are closed. Default: nothing. */
  readonly cleanUp?: () => Promise<void>;
}

const KNOWN = { createStore: true, letTimePass: true, storedThings: true, cleanUp: true };

/**
 * Makes a harness that starts the first store and closes all that it gave out. Rejects with
 * `options-invalid` for an unknown part.
 */
export async function createStoreHarness(parts: StoreHarnessParts): Promise<StoreHarness> {
  const { letTimePass = wait, storedThings, cleanUp } = requireOptions(parts, KNOWN);
  const stores: Store[] = [];
  const unstarted = (): Store => {
    const store = parts.createStore();
    stores.push(store);
    return store;
  };
  const peer = async (): Promise<Store> => {
    const store = unstarted();
    await store.start();
    return store;
  };
  const close = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()));
    await cleanUp?.();
  };
  try {
    return { store: await peer(), peer, unstarted, letTimePass, storedThings: () => storedThings?.(), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
