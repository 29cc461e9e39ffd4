import { askRedis } from "@cm/test-kit";
import fc from "fast-check";
import { expect, inject, it } from "vitest";
import { portOf } from "../redis-store.fixture.js";
import { SLOT_COUNT, slotOf } from "./hash-slots.js";
import { partitionTags } from "./partition-tags.js";

it("spreads the tags of any number of partitions evenly over the slots: one in each interval", () => {
  for (const partitions of [1, 2, 3, 16, 256, 1_000]) {
    for (const letter of ["r", "u"] as const) {
      const tags = partitionTags(letter, partitions);
      const intervals = tags.map((tag) => Math.floor((slotOf(`cm:{${tag}}:x`) * partitions) / SLOT_COUNT));
      expect(intervals).toEqual(Array.from({ length: partitions }, (_, i) => i));
    }
  }
});

it("gives masters of an even Cluster even shares, at every usual size", () => {
  const tags = partitionTags("r", 256);
  for (let masters = 1; masters <= 64; masters++) {
    const shares = Array.from({ length: masters }, () => 0);
    for (const tag of tags) {
      const master = Math.floor((slotOf(tag) * masters) / SLOT_COUNT);
      shares[master] = (shares[master] ?? 0) + 1;
    }
    // A master's slots contain whole intervals, and a part of one at either end.
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(Math.floor(256 / masters) - 1);
    expect(Math.max(...shares)).toBeLessThanOrEqual(Math.ceil(256 / masters) + 1);
  }
});

it("never gives out a tag that could be a server id", () => {
  for (const tag of [...partitionTags("r", 256), ...partitionTags("u", 256)]) expect(tag).toMatch(/^[ru]\./);
});

it("gives the tags that are written in Redis already: they must never change", () => {
  expect([partitionTags("r", 4), partitionTags("u", 4)]).toMatchInlineSnapshot(`
    [
      [
        "r.2",
        "r.3",
        "r.0",
        "r.1",
      ],
      [
        "u.2",
        "u.3",
        "u.0",
        "u.1",
      ],
    ]
  `);
});

it("agrees with Redis Cluster about the slot of every key", async () => {
  const port = portOf(inject("redisClusterUrl"));
  const keys = fc.sample(
    fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.stringMatching(/^[{}a-c]{0,8}$/)),
    300,
  );
  for (const key of keys.filter((candidate) => candidate.isWellFormed())) {
    expect(await askRedis(port, "CLUSTER", "KEYSLOT", key), JSON.stringify(key)).toBe(slotOf(key));
  }
});
