import type { Store } from "@cm/protocol";

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
   * themselves, are left out.
   */
  storedThings(): Promise<number> | undefined;
  /** Closes all stores and removes the data. */
  close(): Promise<void>;
}

/** Makes a harness on data of its own; called once for each test. */
export type HarnessFactory = () => Promise<StoreHarness>;

/** What {@link createStoreHarness} makes a harness of. */
export interface StoreHarnessParts {
  /** A store that is not started, on the data of this harness. */
  createStore(): Store;
  /** See {@link StoreHarness.letTimePass}. Default: waits for real. */
  readonly letTimePass?: (ms: number) => Promise<void>;
  /** See {@link StoreHarness.storedThings}. Default: can't be told. */
  readonly storedThings?: () => Promise<number>;
  /** Called once, after all stores are closed. Default: nothing. */
  readonly cleanUp?: () => Promise<void>;
}

/** Makes a harness that starts the first store and closes all that it gave out. */
export async function createStoreHarness(parts: StoreHarnessParts): Promise<StoreHarness> {
  const { letTimePass = wait, storedThings, cleanUp } = parts;
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
