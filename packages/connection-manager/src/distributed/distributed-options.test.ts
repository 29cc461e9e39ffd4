import { createMemoryStore } from "@cm/memory-store";
import { describe, expect, it } from "vitest";
import { type DistributedConnectionManagerOptions, resolveDistributedOptions } from "./distributed-options.js";
import { LocalSockets } from "./local-sockets.fixture.js";
import { TestCluster } from "./managers.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

const store = createMemoryStore();

function warningsOf(options: DistributedConnectionManagerOptions): string[] {
  const warnings: string[] = [];
  resolveDistributedOptions({ store, onWarning: (warning) => void warnings.push(warning), ...options });
  return warnings;
}

/** Each option, with `null` for its value. The compiler requires every option to be listed. */
const NULLS: Readonly<Record<keyof DistributedConnectionManagerOptions, null>> = {
  redisUrl: null,
  store: null,
  prefix: null,
  serverId: null,
  serverHost: null,
  serverPort: null,
  heartbeatInterval: null,
  heartbeatTTL: null,
  staleConnectionTimeout: null,
  cleanupInterval: null,
  verifyToken: null,
  announceDepartures: null,
  maxMessageBytes: null,
  onGap: null,
  onError: null,
  onWarning: null,
};

describe("the options", () => {
  it.each(Object.keys(NULLS))("are refused with null for %s", (field) => {
    expect(() => resolveDistributedOptions({ [field]: null })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field } }),
    );
  });

  it("have their documented defaults, in milliseconds but for the seconds of the TTL", () => {
    expect(resolveDistributedOptions({ store })).toMatchObject({
      serverHost: "localhost",
      serverPort: 0,
      heartbeatIntervalMs: 30_000,
      heartbeatTtlMs: 90_000,
      staleConnectionTimeoutMs: 30 * 60_000,
      cleanupIntervalMs: 5 * 60_000,
      verifyToken: undefined,
      announceDepartures: true,
      maxMessageBytes: 65_536,
    });
    expect(resolveDistributedOptions({ store, heartbeatTTL: 100, heartbeatInterval: 1_000 })).toMatchObject({
      heartbeatIntervalMs: 1_000,
      heartbeatTtlMs: 100_000,
    });
  });

  it("reach the server's record: host, port and a lease of heartbeatTTL seconds", async () => {
    const alpha = await new TestCluster().start("alpha", {
      serverHost: "server1.example.com",
      serverPort: 3000,
      heartbeatTTL: 120,
    });
    const [server] = (await alpha.store.servers.snapshot()).living;
    expect(server).toMatchObject({ serverId: "alpha", host: "server1.example.com", port: 3000 });
    expect((server?.expiresAtMs ?? 0) - (server?.lastHeartbeat ?? 0)).toBe(120_000);
  });

  it("warn of a TTL that is not more than twice the interval, and name both", () => {
    expect(warningsOf({ heartbeatInterval: 1_000, heartbeatTTL: 2.001 })).toEqual([]);
    expect(warningsOf({})).toEqual([]);
    for (const heartbeatTTL of [1.5, 2]) {
      const [warning, ...more] = warningsOf({ heartbeatInterval: 1_000, heartbeatTTL });
      expect(more).toEqual([]);
      expect(warning).toContain(`heartbeatTTL (${heartbeatTTL} s)`);
      expect(warning).toContain("heartbeatInterval (1000 ms)");
    }
  });

  it("warn if nothing is shared with other servers, and work all the same", async () => {
    const warnings: string[] = [];
    const manager = await createDistributedConnectionManager(new LocalSockets(), {
      redisUrl: undefined,
      serverHost: undefined,
      onWarning: (warning) => void warnings.push(warning),
    });
    expect(manager.isReady()).toBe(true);
    expect(manager.serverId).toMatch(/^server-[a-z0-9]{12}$/);
    expect(warnings).toEqual([expect.stringContaining("not shared")]);
    await manager.shutdown();
  });

  it.each([
    ["serverPort", { serverPort: Number.NaN }],
    ["serverPort", { serverPort: 65_536 }],
    ["serverHost", { serverHost: "" }],
    ["heartbeatInterval", { heartbeatInterval: 99 }],
    ["heartbeatTTL", { heartbeatTTL: 30 }],
    ["heartbeatTTL", { heartbeatTTL: Number.NaN }],
    ["heartbeatTTL", { heartbeatTTL: 90_000 }],
    ["staleConnectionTimeout", { staleConnectionTimeout: 0 }],
    ["cleanupInterval", { cleanupInterval: 1.5 }],
    ["maxMessageBytes", { maxMessageBytes: 0 }],
    ["redisUrl", { redisUrl: "redis://127.0.0.1:1" }],
    ["serverId", { serverId: "a.b" }],
    // A value that an untyped caller may pass.
    ["verifyToken", { verifyToken: true as unknown as () => boolean }],
    ["announceDepartures", { announceDepartures: "no" as unknown as boolean }],
    ["onGap", { onGap: 1 as unknown as () => void }],
    ["heartbeatTtl", { heartbeatTtl: 90 }],
  ])("refuse a %s that can't be used", async (field, options) => {
    await expect(createDistributedConnectionManager(new LocalSockets(), { store, ...options })).rejects.toMatchObject({
      code: "options-invalid",
      details: { field },
    });
  });
});
