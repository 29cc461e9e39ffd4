import { createStoreHarness, describeStoreContracts } from "@cm/contract-tests/store";
import { freshPrefix, keysLeftUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";
import { createRedisStore } from "./index.js";
import type { KeyTimes } from "./keys/key-lifetimes.js";
import { lookAtKeys } from "./keys/key-table.fixture.js";

/** The longest times that the suites request; the store's own options are the defaults. */
const MOST: KeyTimes = {
  connectionTtlMs: 3_600_000,
  lastSeenTtlMs: 86_400_000,
  roomRecordTtlMs: 7_200_000,
  historyTtlMs: 300_000,
  leaseTtlMs: 60_000,
  claimMs: 60_000,
  graceMs: 60_000,
  announceMs: 60_000,
};

const LEAST: KeyTimes = { ...MOST, leaseTtlMs: 0, claimMs: 0, graceMs: 0, announceMs: 0 };

for (const [name, url] of [
  ["Redis", inject("redisUrl")],
  ["Redis Cluster", inject("redisClusterUrl")],
] as const) {
  const family = freshPrefix();
  const startedAt = performance.now();
  let harnesses = 0;

  describeStoreContracts(name, () => {
    harnesses += 1;
    const prefix = `${family}-${harnesses}`;
    return createStoreHarness({
      createStore: () => createRedisStore({ url, prefix }),
      storedEntries: async () => (await keysLeftUnder(url, `${prefix}:`)).length,
    });
  });

  it(`${name}: every key that the suites left is in the key table, with its type and time to live`, async () => {
    // The age is computed again for each key, because checking all keys takes time.
    const ageMs = (): number => performance.now() - startedAt + 1_000;
    const { wrong, unused, keys } = await lookAtKeys(url, `${family}-`, { most: MOST, least: LEAST, ageMs });
    expect(wrong).toEqual([]);
    expect(unused).toEqual([]);
    expect(keys).toBeGreaterThan(500);
  });
}
