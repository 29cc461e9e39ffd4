import type { Store } from "@cm/protocol";
import { requireOptions } from "@cm/protocol/options";

/**
 * A part of a store under test, with the functions that the suites need. The part is a bus, or a bus with its
 * histories; a whole store also counts as such a part.
 */
export interface PartHarness<P> {
  /** The part under test, open, on fresh data that only this part and its peers share. */
  readonly store: P;
  /** Opens another part on the same data, as another server would. */
  peer(): Promise<P>;
  /**
   * Number of entries that the part holds, such as channels with subscribers, or `undefined` if they are not counted.
   * The suites compare it before and after a test to find leaks.
   */
  storedEntries(): Promise<number> | undefined;
  /** Closes all open parts and removes the data. */
  close(): Promise<void>;
}

/** The object that the suites of the bus and of its history take: an object with a `bus`. */
export type BusPart = Pick<Store, "bus">;

/** The functions that {@link createPartHarness} makes a harness from. */
export interface PartHarnessParts<P> {
  /** Opens the part on the data of this harness. Called at least once, and again for each peer. */
  open(): Promise<P>;
  /** Closes a part that `open` returned. Default: does nothing. */
  readonly close?: (part: P) => Promise<void>;
  /** Counts the entries held, such as channels with subscribers. Default: not counted. */
  readonly storedEntries?: () => Promise<number>;
  /** Removes the data. Called once, after all parts are closed. Default: does nothing. */
  readonly cleanUp?: () => Promise<void>;
}

const KNOWN = { open: true, close: true, storedEntries: true, cleanUp: true };

/**
 * Makes a harness that opens the first part, and closes all parts that it has opened. Rejects with
 * `options-invalid` for an unknown function.
 */
export async function createPartHarness<P>(parts: PartHarnessParts<P>): Promise<PartHarness<P>> {
  const { storedEntries, cleanUp } = requireOptions(parts, KNOWN);
  const opened: P[] = [];
  const peer = async (): Promise<P> => {
    const part = await parts.open();
    opened.push(part);
    return part;
  };
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((part) => parts.close?.(part)));
    await cleanUp?.();
  };
  try {
    return { store: await peer(), peer, storedEntries: () => storedEntries?.(), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}
