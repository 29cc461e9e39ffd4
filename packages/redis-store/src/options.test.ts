import { isCmError } from "@cm/protocol";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { createRedisStore, type RedisStoreOptions } from "./index.js";
import { resolveRedisStoreOptions } from "./options.js";

const URL = "redis://127.0.0.1:6379";

/** The field for which the options are rejected; `undefined` if they are valid. */
function refusedField(options: unknown): unknown {
  try {
    // The options are invalid on purpose: values that a caller without types may pass.
    createRedisStore(options as RedisStoreOptions);
    return undefined;
  } catch (error) {
    return isCmError(error) && error.code === "options-invalid" ? error.details?.field : error;
  }
}

it("fills in the documented defaults", () => {
  expect(resolveRedisStoreOptions({ url: URL })).toMatchObject({
    prefix: "cm",
    partitions: 256,
    connectionTtlMs: 3_600_000,
    lastSeenTtlMs: 86_400_000,
    roomRecordTtlMs: 7_200_000,
    historyMaxMessages: 1_000,
    historyTtlMs: 300_000,
    commandTimeoutMs: 2_000,
    maxPendingCommands: 25_000,
    probeIntervalMs: 1_000,
    probeTimeoutMs: 3_000,
    startTimeoutMs: 10_000,
    connection: { kind: "redis", options: { host: "127.0.0.1", port: 6379, db: 0 } },
  });
});

it("takes undefined for not given", () => {
  const options: RedisStoreOptions = {
    url: URL,
    node: undefined,
    cluster: undefined,
    clients: undefined,
    prefix: undefined,
    partitions: undefined,
    probeIntervalMs: undefined,
    startTimeoutMs: undefined,
    onError: undefined,
  };
  expect(JSON.stringify(resolveRedisStoreOptions(options))).toBe(
    JSON.stringify(resolveRedisStoreOptions({ url: URL })),
  );
});

it.each([
  ["url", {}],
  ["url", { url: URL, node: {} }],
  ["url", { url: 6379 }],
  ["url", { url: "http://localhost" }],
  ["prefix", { url: URL, prefix: "" }],
  ["prefix", { url: URL, prefix: "a{b}" }],
  ["prefix", { url: URL, prefix: "x".repeat(65) }],
  ["partitions", { url: URL, partitions: 0 }],
  ["partitions", { url: URL, partitions: 16_385 }],
  ["partitions", { url: URL, partitions: 1.5 }],
  ["connectionTtlMs", { url: URL, connectionTtlMs: 999 }],
  ["lastSeenTtlMs", { url: URL, lastSeenTtlMs: -1 }],
  ["roomRecordTtlMs", { url: URL, roomRecordTtlMs: 999 }],
  ["commandTimeoutMs", { url: URL, commandTimeoutMs: Number.NaN }],
  ["maxPendingCommands", { url: URL, maxPendingCommands: 99 }],
  ["probeIntervalMs", { url: URL, probeIntervalMs: 49 }],
  ["probeTimeoutMs", { url: URL, probeTimeoutMs: 99 }],
  ["probeTimeoutMs", { url: URL, probeIntervalMs: 5_000, probeTimeoutMs: 4_999 }],
  ["startTimeoutMs", { url: URL, startTimeoutMs: "1000" }],
  ["onError", { url: URL, onError: "log" }],
  ["node.keyPrefix", { node: { keyPrefix: "x:" } }],
  ["sentinel.sentinels", { sentinel: { name: "main" } }],
  ["sentinel.name", { sentinel: { sentinels: [{ host: "a", port: 1 }] } }],
  ["cluster.nodes", { cluster: { nodes: [] } }],
  ["cluster.options", { cluster: { nodes: [1], options: null } }],
  ["cluster.options.keyPrefix", { cluster: { nodes: [1], options: { redisOptions: { keyPrefix: "x" } } } }],
  ["clients.commands", { clients: {} }],
  ["historyMaxMessages", { url: URL, historyMaxMessages: 0 }],
  ["historyTtlMs", { url: URL, historyTtlMs: "5m" }],
  ["options", undefined],
  ["options", null],
  ["options", 42],
  ["prefixes", { url: URL, prefixes: "cm" }],
])("names %s if it refuses %j", (field, options) => {
  expect(refusedField(options)).toBe(field);
});

it("refuses one client for both commands and subscriptions", () => {
  const client = new Redis({ lazyConnect: true });
  expect(refusedField({ clients: { commands: client, subscriber: client } })).toBe("clients.subscriber");
  expect(refusedField({ clients: { commands: client } })).toBe("clients.subscriber");
  client.disconnect();
});
