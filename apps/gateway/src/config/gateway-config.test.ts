import type { CmError } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { readGatewayConfig } from "./gateway-config.js";

const problemsOf = (env: Record<string, string>): string => {
  try {
    readGatewayConfig(env);
  } catch (error) {
    expect(error).toMatchObject({ code: "config-invalid" });
    return (error as CmError).message; // Just matched.
  }
  return "";
};

describe("readGatewayConfig", () => {
  it("has the documented defaults", () => {
    const config = readGatewayConfig({});
    expect(config).toMatchObject({
      port: 3000,
      serverHost: "localhost",
      redisUrl: undefined,
      redisPrefix: "cm",
      heartbeatIntervalMs: 30_000,
      leaseTtlMs: 90_000,
      staleConnectionTimeoutMs: 30 * 60_000,
      cleanupIntervalMs: 5 * 60_000,
      connectionTtlMs: 3_600_000,
      maxConnections: 10_000,
      workers: 1,
    });
    expect(config.serverId).toMatch(/^gw-[a-z0-9]{6}$/);
  });

  it("takes Redis from one URL, or from its parts", () => {
    expect(readGatewayConfig({ REDIS_URL: "rediss://user:p%40ss@example:1/2" }).redisUrl).toBe(
      "rediss://user:p%40ss@example:1/2",
    );
    expect(readGatewayConfig({ REDIS_HOST: "example" }).redisUrl).toBe("redis://example:6379/0");
    expect(readGatewayConfig({ REDIS_PORT: "7000" }).redisUrl).toBe("redis://localhost:7000/0");
    expect(readGatewayConfig({ REDIS_HOST: "::1", REDIS_PASSWORD: "p@ss/word", REDIS_DB: "3" }).redisUrl).toBe(
      "redis://:p%40ss%2Fword@[::1]:6379/3",
    );
    expect(readGatewayConfig({ REDIS_URL: "redis://one", REDIS_HOST: "two" }).redisUrl).toBe("redis://one");
    expect(readGatewayConfig({ REDIS_URL: "  ", REDIS_HOST: "" }).redisUrl).toBeUndefined();
  });

  it.each([
    ["PORT", "-1"],
    ["PORT", "65536"],
    ["PORT", "3000.5"],
    ["PORT", "0x10"],
    ["REDIS_URL", "localhost:6379"],
    ["REDIS_PORT", "many"],
    ["REDIS_DB", "-1"],
    ["REDIS_PREFIX", "a{b}"],
    ["SERVER_ID", "a.b"],
    ["SERVER_ID", "x".repeat(65)],
    ["HEARTBEAT_INTERVAL_MS", "10"],
    ["HEARTBEAT_TTL_SECONDS", "30"],
    ["CLEANUP_INTERVAL_MS", "never"],
    ["STALE_CONNECTION_TIMEOUT_MS", "0"],
    ["MAX_CONNECTIONS", "0"],
    ["IDLE_TIMEOUT_MS", "5000"],
    ["WORKERS", "2"],
    ["LOG_FORMAT", "xml"],
  ])("names %s where it is %j", (name, value) => {
    expect(problemsOf({ [name]: value })).toContain(name);
  });

  it("names all problems at once, and never repeats a URL that may hold a password", () => {
    const problems = problemsOf({ PORT: "x", LOG_LEVEL: "y", REDIS_URL: "ftp://user:secret@host" });
    for (const name of ["PORT", "LOG_LEVEL", "REDIS_URL"]) expect(problems).toContain(name);
    expect(problems).not.toContain("secret");
  });

  it("gives each worker an id of its own", () => {
    const env = { SERVER_ID: "gw", WORKERS: "2", REDIS_URL: "redis://x", CM_WORKER: "2" };
    expect(readGatewayConfig(env)).toMatchObject({ serverId: "gw-2", worker: 2 });
  });
});
