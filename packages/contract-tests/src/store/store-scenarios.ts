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
import type { StoreHarness } from "./store-harness.js";

/** A time to live that no test exceeds by accident. */
export const LONG_MS = 60_000;

/** A short time to live, used only if a test waits until it has passed. */
export const SHORT_MS = 60;

/** Maximum time until an expected event happens, in the store's time, in milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Maximum duration of a test on a busy machine: some tests wait several times, and the default of vitest is
 * 5 s.
 */
const TEST_TIMEOUT_MS = 30_000;

/** Defines a test with its own harness, which is closed even if the test fails. */
export type Scenario<H> = (sentence: string, body: (harness: H) => Promise<void>) => void;

/** Makes the function with which a suite defines its tests. */
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

/** The result of a call: `done`, or the code of its error. An error without a code is thrown. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (cause) {
    if (isCmError(cause)) return cause.code;
    throw cause;
  }
}

/** A server with a lease, and the source of its connection ids. */
export interface TestServer {
  readonly registration: ServerRegistration;
  readonly lease: Lease;
  readonly ids: ConnectionIdSource;
}

/** The registration of the server to which the ids belong. */
export function registrationOf(ids: ConnectionIdSource): ServerRegistration {
  const { serverId, incarnation, partitionBits } = ids;
  return { serverId, incarnation, partitionBits, host: "127.0.0.1", port: 8080 };
}

/** Acquires a lease that lasts longer than the test. */
export async function bringUp(store: Store, serverId: string): Promise<TestServer> {
  const ids = createConnectionIdSource({ serverId });
  const registration = registrationOf(ids);
  return { registration, ids, lease: await store.servers.acquire(registration, LONG_MS) };
}

/** Checks the condition repeatedly until it holds, and lets time pass in between. */
export async function passUntil(harness: StoreHarness, condition: () => Promise<boolean>): Promise<void> {
  const stepMs = SHORT_MS / 4;
  for (let passedMs = 0; passedMs < PATIENCE_MS; passedMs += stepMs) {
    if (await condition()) return;
    await harness.letTimePass(stepMs);
  }
  throw new Error(`What was waited for did not happen within ${PATIENCE_MS} ms.`);
}

/**
 * Lets a server's lease expire and returns it. The server writes its data under a long lease, and only then
 * acquires a short one, so that a slow machine does not affect the test.
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

/** Claims a dead server. Throws if the server cannot be claimed. */
export async function claimDead(store: Store, serverId: string, claimant = "reaper"): Promise<ReapClaim> {
  const claim = await store.upkeep.servers.claim({ serverId }, claimant, LONG_MS);
  if (claim === undefined) throw new Error(`Server ${serverId} could not be claimed.`);
  return claim;
}

/** Claims a dead server, lets the claim expire, and claims the server for another claimant. Returns both claims. */
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

/** A list with the results of `make` for `0` to `count - 1`. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
