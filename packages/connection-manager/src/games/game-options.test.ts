import { describe, expect, it } from "vitest";
import { type ConnectionManagerOptions, resolveConnectionManagerOptions } from "./game-options.js";

const redisUrl = "redis://localhost";

/** Each option, with `null` for its value. The compiler requires every option to be listed. */
const NULLS: Readonly<Record<keyof ConnectionManagerOptions, null>> = {
  redisUrl: null,
  store: null,
  serverInstance: null,
  host: null,
  port: null,
  heartbeatInterval: null,
  heartbeatTTL: null,
  staleConnectionTimeout: null,
  cleanupInterval: null,
  connectionTTL: null,
  sessionTTL: null,
  prefix: null,
  offlineGraceMs: null,
  maxConnections: null,
  maxEventBytes: null,
  onStale: null,
  onGap: null,
  onError: null,
  onWarning: null,
};

describe("options of a connection manager", () => {
  it.each(Object.keys(NULLS))("are refused with null for %s", (field) => {
    expect(() => resolveConnectionManagerOptions({ [field]: null })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field } }),
    );
  });

  it("have the documented defaults, in milliseconds", () => {
    expect(resolveConnectionManagerOptions({})).toMatchObject({
      serverInstance: expect.stringMatching(/^server-[a-z0-9]{12}$/),
      heartbeatIntervalMs: 30_000,
      leaseTtlMs: 60_000,
      staleConnectionTimeoutMs: 1_800_000,
      cleanupIntervalMs: 300_000,
      connectionTtlMs: 3_600_000,
      roomRecordTtlMs: 7_200_000,
      offlineGraceMs: 5_000,
    });
  });

  it("warn if users and games are shared with no other server, and not if Redis or a store is named", () => {
    expect(resolveConnectionManagerOptions({}).warnings).toEqual([
      expect.stringContaining("no other server sees them"),
    ]);
    expect(resolveConnectionManagerOptions({ redisUrl: "redis://localhost" }).warnings).toEqual([]);
  });

  it("take the documented defaults without a warning, also where they are written out", () => {
    expect(resolveConnectionManagerOptions({ redisUrl, heartbeatInterval: 30_000, heartbeatTTL: 60 }).warnings).toEqual(
      [],
    );
    expect(resolveConnectionManagerOptions({ redisUrl, heartbeatTTL: 60 }).warnings).toEqual([]);
  });

  it("name option and unit as they were written", () => {
    expect(() => resolveConnectionManagerOptions({ redisUrl, heartbeatTTL: 20 })).toThrow(
      "heartbeatTTL must be more than heartbeatInterval (30000 ms); it is 20 s.",
    );
  });

  it("keep what is given, an explicit 0 too", () => {
    expect(
      resolveConnectionManagerOptions({
        offlineGraceMs: 0,
        port: 0,
        heartbeatTTL: 0.5,
        heartbeatInterval: 200,
        redisUrl,
      }),
    ).toMatchObject({ offlineGraceMs: 0, port: 0, leaseTtlMs: 500, warnings: [] });
  });

  it("are warned of if one late heartbeat would take users offline, with both figures", () => {
    const { warnings } = resolveConnectionManagerOptions({ redisUrl, heartbeatInterval: 10_000, heartbeatTTL: 20 });
    expect(warnings).toEqual([expect.stringMatching(/heartbeatTTL \(20 s\).*heartbeatInterval \(10000 ms\)/)]);
    expect(
      resolveConnectionManagerOptions({ redisUrl, heartbeatInterval: 10_000, heartbeatTTL: 20.1 }).warnings,
    ).toEqual([]);
  });

  it.each([
    [{ serverInstance: "not an id" }, "serverInstance"],
    [{ serverInstance: "" }, "serverInstance"],
    [null, "options"],
    [undefined, "options"],
    [42, "options"],
    [{ sessionTtl: 1 }, "sessionTtl"],
    [{ host: 1 }, "host"],
    [{ host: "h".repeat(256) }, "host"],
    [{ heartbeatTTL: 60n }, "heartbeatTTL"],
    [{ port: 65_536 }, "port"],
    [{ heartbeatInterval: 99 }, "heartbeatInterval"],
    [{ heartbeatInterval: 3_600_001, heartbeatTTL: 7_200 }, "heartbeatInterval"],
    [{ heartbeatInterval: 1_000.5 }, "heartbeatInterval"],
    [{ heartbeatInterval: 60_000, heartbeatTTL: 60 }, "heartbeatTTL"],
    [{ heartbeatTTL: "60" }, "heartbeatTTL"],
    [{ heartbeatTTL: Number.NaN }, "heartbeatTTL"],
    [{ staleConnectionTimeout: 999 }, "staleConnectionTimeout"],
    [{ cleanupInterval: 0 }, "cleanupInterval"],
    [{ connectionTTL: 0 }, "connectionTTL"],
    [{ sessionTTL: 0 }, "sessionTTL"],
    [{ offlineGraceMs: -1 }, "offlineGraceMs"],
    [{ maxConnections: 0 }, "maxConnections"],
    [{ maxEventBytes: 63 }, "maxEventBytes"],
    [{ onError: "log" }, "onError"],
    [{ onStale: 1 }, "onStale"],
    [{ onGap: {} }, "onGap"],
    [{ onWarning: null }, "onWarning"],
  ])("refuse %o for its %s", (options, field) => {
    // The type is wrong on purpose.
    expect(() => resolveConnectionManagerOptions(options as ConnectionManagerOptions)).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });
});
