import type { Store } from "@cm/protocol";

/** The room whose members are counted; it need not exist. */
const ROOM = "latency";

/** How long a scrape waits for the store, in milliseconds: less than the deadline of a scrape, 10 s by default. */
const PATIENCE_MS = 1_000;

/**
 * Measures one small read from the store, in milliseconds. Resolves with `undefined` if the store refuses it or does
 * not answer within a second.
 */
export async function storeRoundTripMs(store: Pick<Store, "rooms">): Promise<number | undefined> {
  const beganAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  });
  const read = store.rooms.count(ROOM).then(
    () => performance.now() - beganAt,
    () => undefined,
  );
  const took = await Promise.race([read, late]);
  clearTimeout(timer);
  return took;
}
