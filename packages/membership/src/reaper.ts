import type { ConnectionRecord, ReapClaim, UserConnection } from "@cm/protocol";
import type { MembershipStore } from "./options.js";

/** How long a claim on a dead server lasts; a reaper that dies is followed by another after it. */
const CLAIM_MS = 30_000;

/** What was removed with a dead server. */
export interface Reaped {
  readonly serverId: string;
  readonly connections: number;
}

/**
 * Cleans up after a dead server: its members out of rooms, its connections off their
 * users, its records away, then its registration. Shelf by shelf, so that the store is
 * never held for long; each shelf is cleared last, so that a successor finds again what
 * was not finished. `undefined` where the server was not there to be claimed.
 */
export async function reap(
  store: MembershipStore,
  serverId: string,
  claimant: string,
  signal: AbortSignal,
): Promise<Reaped | undefined> {
  const claim = await store.servers.claim(serverId, claimant, CLAIM_MS);
  if (claim === undefined) return undefined;
  let connections = 0;
  for (let shelf = 0; shelf < 2 ** claim.shelfBits; shelf++) {
    // What is left when this server closes, another one finds when the claim has run out.
    signal.throwIfAborted();
    const records = await store.connections.shelf(claim, shelf);
    if (records.length === 0) continue;
    await clearShelf(store, claim, shelf, records);
    connections += records.length;
  }
  await store.servers.bury(claim);
  return { serverId, connections };
}

async function clearShelf(
  store: MembershipStore,
  claim: ReapClaim,
  shelf: number,
  records: readonly ConnectionRecord[],
): Promise<void> {
  const rooms = new Set(records.flatMap((record) => record.rooms));
  const users: UserConnection[] = records.map(({ userId, connectionId }) => ({ userId, connectionId }));
  await Promise.all([store.users.evict(claim, users), ...[...rooms].map((room) => store.rooms.evict(claim, room))]);
  await store.connections.clearShelf(claim, shelf);
}
