import {
  type ConnectionIdSource,
  createConnectionIdSource,
  isCmError,
  type Lease,
  type ReapClaim,
  type ServerRegistration,
  type Store,
} from "@cm/protocol";
import { it } from "vitest";
import type { StoreHarness } from "./harness.js";

/** A time to live that no test outlives by chance. */
export const LONG_MS = 60_000;

/** A time to live that is waited for. Only what is waited for carries it. */
export const SHORT_MS = 60;

/** How long something may take that must happen, in the store's time. */
const PATIENCE_MS = 10_000;

/** How long a test may take on a busy machine: some wait several times, and the default of vitest is 5 s. */
const TEST_TIMEOUT_MS = 30_000;

/** A test with a harness of its own, which is closed whatever happens. */
export type Scenario<H> = (sentence: string, body: (harness: H) => Promise<void>) => void;

/** Makes the function that a suite states its promises with. */
export function scenarios<H extends { close(): Promise<void> }>(createHarness: () => Promise<H>): Scenario<H> {
  return (sentence, body) => {
    it(sentence, { timeout: TEST_TIMEOUT_MS }, async () => {
      const harness = await createHarness();
      try {
        await body(harness);
      } finally {
        await harness.close();
      }
    });
  };
}

/** How a call ended: `done`, or the code of its error. What has no code is thrown. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (cause) {
    if (isCmError(cause)) return cause.code;
    throw cause;
  }
}

/** A server that holds a lease, and where its connection ids come from. */
export interface TestServer {
  readonly registration: ServerRegistration;
  readonly lease: Lease;
  readonly ids: ConnectionIdSource;
}

/** What a server of this id would register as. */
export function registrationOf(ids: ConnectionIdSource): ServerRegistration {
  const { serverId, incarnation, shelfBits } = ids;
  return { serverId, incarnation, shelfBits, host: "127.0.0.1", port: 8080 };
}

/** Takes a lease that lasts as long as the test. */
export async function bringUp(store: Store, serverId: string): Promise<TestServer> {
  const ids = createConnectionIdSource({ serverId });
  const registration = registrationOf(ids);
  return { registration, ids, lease: await store.servers.acquire(registration, LONG_MS) };
}

/** Asks again and again, letting time pass, until the answer is yes. */
export async function passUntil(harness: StoreHarness, condition: () => Promise<boolean>): Promise<void> {
  const stepMs = SHORT_MS / 4;
  for (let passedMs = 0; passedMs < PATIENCE_MS; passedMs += stepMs) {
    if (await condition()) return;
    await harness.letTimePass(stepMs);
  }
  throw new Error(`What was waited for did not happen within ${PATIENCE_MS} ms.`);
}

/**
 * Lets a server's lease run out and returns it. What the server has put is put under a
 * long lease before; only then it takes a short one, so that a slow machine changes
 * nothing.
 */
export async function letDie(harness: StoreHarness, server: TestServer): Promise<Lease> {
  const { servers } = harness.store;
  const lease = await servers.acquire(server.registration, SHORT_MS);
  await passUntil(
    harness,
    async () => !(await servers.snapshot()).living.some(({ serverId }) => serverId === lease.serverId),
  );
  return lease;
}

/** Claims a dead server; fails where that is not possible. */
export async function claimDead(store: Store, serverId: string, claimant = "reaper"): Promise<ReapClaim> {
  const claim = await store.upkeep.servers.claim({ serverId }, claimant, LONG_MS);
  if (claim === undefined) throw new Error(`Server ${serverId} could not be claimed.`);
  return claim;
}

/** Lets a claim on a dead server run out; returns it and the claim of the next claimant. */
export async function loseClaim(
  harness: StoreHarness,
  serverId: string,
): Promise<{ readonly lost: ReapClaim; readonly held: ReapClaim }> {
  const { upkeep } = harness.store;
  const lost = await upkeep.servers.claim({ serverId }, "too-slow", SHORT_MS);
  let held: ReapClaim | undefined;
  await passUntil(harness, async () => {
    held = await upkeep.servers.claim({ serverId }, "next", LONG_MS);
    return held !== undefined;
  });
  if (lost === undefined || held === undefined) throw new Error(`Server ${serverId} could not be claimed.`);
  return { lost, held };
}

/** `0` to `count - 1`, each made into something. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
