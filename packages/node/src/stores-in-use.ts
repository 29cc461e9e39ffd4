import { CmError, type Store } from "@cm/protocol";
import { optionInvalid } from "@cm/protocol/options";

/** The stores that were passed in the options of nodes that are started and not closed. */
const IN_USE = new WeakSet<Store>();

/**
 * Marks a started store of the application as used by a node. Returns the function that removes the mark.
 * Without this check, a second node would start on the store and fail at its first join, because a store's
 * bus allows one subscription per channel.
 *
 * @throws CmError `options-invalid` if another node uses the store, `closed` if the store was not started.
 */
export function markStoreInUse(store: Store): () => Promise<void> {
  if (IN_USE.has(store)) throw optionInvalid("store", "a store that no other node uses; create one store per node");
  if (store.link.state === "connecting") {
    throw new CmError("closed", "The store was not started: await its start() before that of the node.", {
      details: { field: "store" },
    });
  }
  IN_USE.add(store);
  return async () => void IN_USE.delete(store);
}
