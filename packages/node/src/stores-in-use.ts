import { CmError, type Store } from "@cm/protocol";
import { optionInvalid } from "@cm/protocol/options";

/** Stores that were handed to nodes that have started and are not closed. */
const IN_USE = new WeakSet<Store>();

/**
 * Marks a started store of the application's own as the one of a node; returns what takes the mark off. A second node
 * would start on it and fail at its first join, since a store's bus has one subscription a channel.
 *
 * @throws CmError `options-invalid` where another node has it, `closed` where it was not started.
 */
export function useStore(store: Store): () => Promise<void> {
  if (IN_USE.has(store)) throw optionInvalid("store", "one that no other node uses: make a store for each node");
  if (store.link.state === "connecting") {
    throw new CmError("closed", "The store was not started: await its start() before that of the node.", {
      details: { field: "store" },
    });
  }
  IN_USE.add(store);
  return async () => void IN_USE.delete(store);
}
