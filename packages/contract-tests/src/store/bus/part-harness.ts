import type { Store } from "@cm/protocol";
import { requireOptions } from "@cm/protocol/options";

/** A part of a store under test: its bus, or its bus and its histories. A whole store is such a part too. */
export interface PartHarness<P> {
  /** Open, on fresh data that only it and its peers see. */
  readonly store: P;
  /** Another one on the same data, as another server has it. */
  peer(): Promise<P>;
  /** How many things are held, where that can be told. With it the suites check that nothing stays behind. */
  storedThings(): Promise<number> | undefined;
  /** Closes all that were opened and removes the data. */
  close(): Promise<void>;
}

/** What the suite of the bus needs: an object with a `bus`. */
export type BusPart = Pick<Store, "bus">;

/** What the suite of histories needs: an object with a `bus` and the `history` whose messages go over it. */
export type HistoryPart = Pick<Store, "bus" | "history">;

/** What {@link createPartHarness} makes a harness of. */
export interface PartHarnessParts<P> {
  /** Opens the part on the data of this harness. Called at least once, and once more for each peer. */
  open(): Promise<P>;
  /** Closes what `open` gave. Default: nothing. */
  readonly close?: (part: P) => Promise<void>;
  /** Counts what is held, such as channels with subscribers. Default: not counted. */
  readonly storedThings?: () => Promise<number>;
  /** Removes the data. Called once, after all are closed. Default: nothing. */
  readonly cleanUp?: () => Promise<void>;
}

const KNOWN = { open: true, close: true, storedThings: true, cleanUp: true };

/**
 * Makes a harness that opens the first part and closes all that it gave out. Rejects with
 * `options-invalid` for an unknown part.
 */
export async function createPartHarness<P>(parts: PartHarnessParts<P>): Promise<PartHarness<P>> {
  const { storedThings, cleanUp } = requireOptions(parts, KNOWN);
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
    return { store: await peer(), peer, storedThings: () => storedThings?.(), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}
