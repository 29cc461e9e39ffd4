import type { Store } from "@cm/protocol";
import { requireOptions } from "@cm/protocol/options";

/** A store under test, with the functions that the suites need. */
export interface StoreHarness {
  /** The store under test, started, on fresh data that only this store and its peers share. */
  readonly store: Store;
  /** Starts another store on the same data. */
  peer(): Promise<Store>;
  /** Another store on the same data, not started. */
  unstarted(): Store;
  /** Lets about `ms` milliseconds pass on the clock by which the store checks leases. */
  letTimePass(ms: number): Promise<void>;
  /**
   * Number of entries that the store holds (keys, for a database), or `undefined` if it cannot be determined.
   * If given, the suites check that removed data leaves nothing behind. Not counted: data that expires by
   * itself (the times at which offline users were last online, the versions of feeds), servers, and
   * histories.
   */
  storedEntries(): Promise<number> | undefined;
  /** Closes all stores and removes the data. */
  close(): Promise<void>;
}

/** Makes a harness with its own data. Called once for each test. */
export type HarnessFactory = () => Promise<StoreHarness>;

/** The functions that {@link createStoreHarness} makes a harness from. */
export interface StoreHarnessParts {
  /**
   * Makes a store on the data of this harness, not started. Called at least once, and again for each peer.
   */
  createStore(): Store;
  /**
   * Lets about `ms` milliseconds pass on the clock by which the store checks leases. Set this if you control that
   * clock. Default: waits for that time, usually 60 ms.
   */
  readonly letTimePass?: (ms: number) => Promise<void>;
  /**
   * Counts the entries that the store holds; see `StoreHarness.storedEntries`. Default: not counted, which a
   * skipped test reports.
   */
  readonly storedEntries?: () => Promise<number>;
  /** Removes the data. Called once, after all stores are closed. Default: does nothing. */
  readonly cleanUp?: () => Promise<void>;
}

const KNOWN = { createStore: true, letTimePass: true, storedEntries: true, cleanUp: true };

/**
 * Makes a harness that starts the first store, and closes all stores that it has made. Rejects with
 * `options-invalid` for an unknown function.
 */
export async function createStoreHarness(parts: StoreHarnessParts): Promise<StoreHarness> {
  const { letTimePass = wait, storedEntries, cleanUp } = requireOptions(parts, KNOWN);
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
    return { store: await peer(), peer, unstarted, letTimePass, storedEntries: () => storedEntries?.(), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
