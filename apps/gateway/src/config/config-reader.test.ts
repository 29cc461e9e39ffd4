import { readFileSync } from "node:fs";
import type { CmError } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { gatewayVariables, readGatewayConfig } from "./config-reader.js";

const problemsOf = (env: Record<string, string>): string => {
  try {
    readGatewayConfig(env);
  } catch (error) {
    expect(error).toMatchObject({ code: "config-invalid" });
    return (error as CmError).message; // Checked by the expectation.
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
      offlineGraceMs: 5_000,
      lastSeenTtlMs: 86_400_000,
      // Without Redis there is no other server to drain to.
      drainMs: 0,
      shutdownTimeoutMs: 10_000,
      maxConnections: 10_000,
      maxHeadBytes: 16_384,
      workers: 1,
    });
    expect(config.serverId).toMatch(/^gw-[a-z0-9]{6}$/);
  });

  it("takes time to send clients elsewhere if there may be another server", () => {
    expect(readGatewayConfig({ REDIS_HOST: "example" }).drainMs).toBe(10_000);
    expect(readGatewayConfig({ DRAIN_SECONDS: "30" }).drainMs).toBe(30_000);
    expect(readGatewayConfig({ REDIS_HOST: "example", DRAIN_SECONDS: "0" }).drainMs).toBe(0);
    expect(problemsOf({ DRAIN_SECONDS: "3601" })).toContain("DRAIN_SECONDS");
  });

  it("pings every 25 s, or twice within a shorter idle timeout, unless configured otherwise", () => {
    expect(readGatewayConfig({})).toMatchObject({ idleTimeoutMs: 120_000, pingIntervalMs: 25_000 });
    expect(readGatewayConfig({ IDLE_TIMEOUT_MS: "10000" }).pingIntervalMs).toBe(5_000);
    expect(readGatewayConfig({ PING_INTERVAL_MS: "0" }).pingIntervalMs).toBe(0);
    expect(readGatewayConfig({ PING_INTERVAL_MS: "50000" }).pingIntervalMs).toBe(50_000);
    expect(problemsOf({ PING_INTERVAL_MS: "120000" })).toContain("PING_INTERVAL_MS");
    expect(problemsOf({ PING_INTERVAL_MS: "999" })).toContain("PING_INTERVAL_MS");
  });

  it("takes windows of rooms by prefix, with the text after the last = as the window", () => {
    expect(readGatewayConfig({}).roomWindows).toEqual([]);
    expect(readGatewayConfig({ ROOM_WINDOWS: "chat:=0, pos=x:=auto" }).roomWindows).toEqual([
      { prefix: "chat:", windowMs: 0 },
      { prefix: "pos=x:", windowMs: "auto" },
    ]);
    for (const value of ["chat:", "chat:=", "chat:=101", "chat:=AUTO", "a=1,b"]) {
      expect(problemsOf({ ROOM_WINDOWS: value })).toContain("ROOM_WINDOWS");
    }
  });

  it("lets messages of busy rooms wait for each other, or for a time, or not at all", () => {
    expect(readGatewayConfig({}).roomWindowMs).toBe("auto");
    expect(readGatewayConfig({ ROOM_WINDOW_MS: "auto" }).roomWindowMs).toBe("auto");
    expect(readGatewayConfig({ ROOM_WINDOW_MS: "0" }).roomWindowMs).toBe(0);
    expect(readGatewayConfig({ ROOM_WINDOW_MS: "100" }).roomWindowMs).toBe(100);
    for (const value of ["101", "-1", "1.5", "Auto", "10ms"]) {
      expect(problemsOf({ ROOM_WINDOW_MS: value })).toContain("ROOM_WINDOW_MS");
    }
  });

  it("shows statistics to clients on a loopback address alone, unless configured otherwise", () => {
    const secret = "0123456789abcdef0123456789abcdef";
    expect(readGatewayConfig({}).publicStats).toBe(true);
    expect(readGatewayConfig({ ADMIN_PORT: "9000" }).publicStats).toBe(false);
    expect(readGatewayConfig({ TOKEN_SECRET: secret }).publicStats).toBe(false);
    expect(readGatewayConfig({ OPEN: "true", LISTEN_HOST: "0.0.0.0" }).publicStats).toBe(false);
    expect(readGatewayConfig({ OPEN: "true", LISTEN_HOST: "0.0.0.0", PUBLIC_STATS: "true" }).publicStats).toBe(true);
  });

  it("takes tokens by one key, and shows the page without tokens alone", () => {
    const secret = " 0123456789abcdef0123456789abcdef ";
    expect(readGatewayConfig({})).toMatchObject({ tokens: undefined, page: true });
    expect(
      readGatewayConfig({ TOKEN_SECRET: secret, TOKEN_SOURCES: "cookie, query", TOKEN_ISSUER: "me" }),
    ).toMatchObject({
      tokens: { secret, sources: ["query", "cookie"], issuer: "me", clockToleranceMs: 5_000 },
      tokenWarningMs: 30_000,
      tokenGraceMs: 5_000,
      page: false,
    });
    expect(readGatewayConfig({ TOKEN_SECRET: secret, PAGE: "true" }).page).toBe(true);
    expect(readGatewayConfig({ TOKEN_JWKS_URL: "https://example.com/jwks" }).tokens?.jwksUrl).toBe(
      "https://example.com/jwks",
    );
    expect(problemsOf({ TOKEN_SECRET: secret, TOKEN_JWKS_URL: "https://example.com" })).toContain("TOKEN_JWKS_URL");
    const withPassword = problemsOf({ TOKEN_JWKS_URL: "https://me:hush@example.com/jwks" });
    expect(withPassword).toContain("TOKEN_JWKS_URL");
    expect(withPassword).not.toContain("hush");
    expect(problemsOf({ TOKEN_SECRET: secret, OPEN: "true" })).toContain("OPEN");
    expect(problemsOf({ TOKEN_SECRET: "short" })).toMatch(/^(?!.*short).*TOKEN_SECRET/);
    expect(problemsOf({ TOKEN_PUBLIC_KEY: "x" })).toContain("TOKEN_PUBLIC_KEY");
    expect(problemsOf({ TOKEN_PUBLIC_KEY_FILE: "/nowhere" })).toContain("TOKEN_PUBLIC_KEY_FILE can't be read (ENOENT)");
    for (const sources of ["body", "cookie,body", ","]) {
      expect(problemsOf({ TOKEN_SECRET: secret, TOKEN_SOURCES: sources })).toContain("TOKEN_SOURCES");
    }
  });

  it("accepts unauthenticated users on loopback addresses only, unless configured otherwise", () => {
    const tokens = { TOKEN_SECRET: "0123456789abcdef0123456789abcdef" };
    for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "::1"]) {
      expect(readGatewayConfig({ LISTEN_HOST: host }).warnings).toEqual([]);
    }
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "127.example"]) {
      expect(problemsOf({ LISTEN_HOST: host })).toContain("LISTEN_HOST is not a loopback address");
      expect(readGatewayConfig({ LISTEN_HOST: host, OPEN: "true" }).warnings).toEqual([
        expect.stringContaining("OPEN"),
      ]);
      expect(readGatewayConfig({ LISTEN_HOST: host, ...tokens }).warnings).toEqual([]);
    }
    const cookies = { ...tokens, LISTEN_HOST: "0.0.0.0", TOKEN_SOURCES: "cookie" };
    expect(problemsOf(cookies)).toContain("ALLOWED_ORIGINS");
    expect(readGatewayConfig({ ...cookies, ALLOWED_ORIGINS: "https://example.com" }).tokens?.sources).toEqual([
      "cookie",
    ]);
  });

  it("takes Redis from one URL, or from its parts", () => {
    expect(readGatewayConfig({ REDIS_URL: "rediss://user:p%40ss@example:1/2" }).redisUrl).toBe(
      "rediss://user:p%40ss@example:1/2",
    );
    expect(readGatewayConfig({ REDIS_HOST: "example" }).redisUrl).toBe("redis://example:6379/0");
    expect(readGatewayConfig({ REDIS_PORT: "7000" }).redisUrl).toBe("redis://localhost:7000/0");
    expect(readGatewayConfig({ REDIS_PORT: "tcp://10.0.0.11:7000" }).redisUrl).toBe("redis://10.0.0.11:7000/0");
    expect(readGatewayConfig({ REDIS_HOST: "redis", REDIS_PORT: "tcp://10.0.0.11:7000" }).redisUrl).toBe(
      "redis://redis:7000/0",
    );
    expect(readGatewayConfig({ REDIS_PASSWORD: " p w " }).redisUrl).toBe("redis://:%20p%20w%20@localhost:6379/0");
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
    ["MAX_CONNECTIONS", "1000001"],
    ["MAX_HEAD_BYTES", "1023"],
    ["IDLE_TIMEOUT_MS", "5000"],
    ["WORKERS", "2"],
    ["LOG_FORMAT", "xml"],
    ["LISTEN_HOST", "not a host"],
    ["LISTEN_HOST", "256.0.0.1"],
    ["LISTEN_HOST", "[::1]"],
    ["SERVER_HOST", "http://gw.example"],
    ["SERVER_HOST", "a..b"],
    ["REDIS_HOST", "no such host"],
    ["REDIS_HOST", "cache:6379"],
    ["REDIS_HOST", "a,b"],
    ["REDIS_PORT", "tcp://10.0.0.11"],
    ["REDIS_URL", "redis://"],
    ["REDIS_URL", "redis://a b"],
    ["REDIS_URL", "redis://a:65536"],
    ["REDIS_URL", "redis://a/x"],
    ["REDIS_URL", "redis://a/65536"],
    ["REDIS_URL", "redis+cluster://a/1"],
    ["REDIS_URL", "redis+sentinel://a"],
    ["RECOVERABLE_ROOMS", "chat:*"],
    ["RECOVERABLE_ROOMS", "chat:,*"],
    ["RECOVERABLE_ROOMS", "x".repeat(256)],
    ["SLOW_READER_DROP_ROOMS", "log:*"],
    ["SLOW_READER_LATEST_ROOMS", "x".repeat(256)],
    ["SLOW_READER_BYTES", "1023"],
    ["SLOW_READER_BYTES", "524289"],
    ["SHOW_SERVER_IDS", "yes"],
    ["ALLOWED_ORIGINS", ""],
    ["ALLOWED_ORIGINS", " , "],
    ["ALLOWED_ORIGINS", "*"],
    ["ALLOWED_ORIGINS", "example.com"],
    ["ALLOWED_ORIGINS", "https://example.com/"],
    ["ALLOWED_ORIGINS", "https://Example.com"],
    ["ALLOWED_ORIGINS", "https://example.com:443"],
    ["ALLOWED_ORIGINS", "https://example.com,https://example.com/path"],
    ["CM_WORKER", "1"],
    ["CM_WORKER", "1-2-3"],
  ])("names %s where it is %j", (name, value) => {
    expect(problemsOf({ [name]: value })).toContain(name);
  });

  it("names all problems at once, and never repeats a URL that may hold a password", () => {
    const problems = problemsOf({ PORT: "x", LOG_LEVEL: "y", REDIS_URL: "ftp://user:secret@host" });
    for (const name of ["PORT", "LOG_LEVEL", "REDIS_URL"]) expect(problems).toContain(name);
    expect(problems).not.toContain("secret");
  });

  it("takes origins as browsers send them", () => {
    const ALLOWED_ORIGINS =
      "https://example.com, http://localhost:8080,http://[::1]:3000,chrome-extension://abcdef,null";
    expect(readGatewayConfig({ ALLOWED_ORIGINS }).allowedOrigins).toEqual([
      "https://example.com",
      "http://localhost:8080",
      "http://[::1]:3000",
      "chrome-extension://abcdef",
      "null",
    ]);
    expect(readGatewayConfig({}).allowedOrigins).toBeUndefined();
  });

  it("knows recoverable rooms by the prefixes of their names, and all of them by *", () => {
    const read = (RECOVERABLE_ROOMS: string) => readGatewayConfig({ RECOVERABLE_ROOMS }).recoverableRooms;
    expect(read("chat:, game:lobby ,,")).toEqual(["chat:", "game:lobby"]);
    expect(read(" * ")).toEqual([""]);
    expect(read("")).toEqual([]);
    expect(readGatewayConfig({}).recoverableRooms).toEqual([]);
  });

  it("knows what happens to slow readers by the prefixes of rooms' names", () => {
    expect(
      readGatewayConfig({
        SLOW_READER_DROP_ROOMS: "log:",
        SLOW_READER_LATEST_ROOMS: "*",
        MAX_BACKPRESSURE_BYTES: "65536",
        SLOW_READER_BYTES: "32768",
      }),
    ).toMatchObject({ slowReaderDropRooms: ["log:"], slowReaderLatestRooms: [""], slowReaderBytes: 32_768 });
    expect(readGatewayConfig({})).toMatchObject({ slowReaderDropRooms: [], slowReaderLatestRooms: [] });
    expect(readGatewayConfig({}).slowReaderBytes).toBeUndefined();
    expect(problemsOf({ MAX_BACKPRESSURE_BYTES: "65536", SLOW_READER_BYTES: "32769" })).toContain("SLOW_READER_BYTES");
    const both = { SLOW_READER_DROP_ROOMS: "a:,b:", SLOW_READER_LATEST_ROOMS: "b:" };
    expect(problemsOf(both)).toContain("SLOW_READER_LATEST_ROOMS");
  });

  it.each(["::1", "0.0.0.0", "gw-1.example.com", "localhost", "my_host"])("takes the host %j", (host) => {
    expect(readGatewayConfig({ LISTEN_HOST: host, OPEN: "true", SERVER_HOST: host, REDIS_HOST: host })).toMatchObject({
      listenHost: host,
      serverHost: host,
    });
  });

  it.each([
    ["REDIS_URL", { REDIS_URL: "http://cache", WORKERS: "2" }],
    ["REDIS_HOST", { REDIS_HOST: "a b", WORKERS: "2" }],
    ["HEARTBEAT_INTERVAL_MS", { HEARTBEAT_INTERVAL_MS: "soon", HEARTBEAT_TTL_SECONDS: "20" }],
    ["PORT", { PORT: "many", WORKERS: "2", REDIS_URL: "redis://x" }],
  ])("names %s alone if the others are right", (name, env) => {
    const problems = problemsOf(env);
    expect(problems).toMatch(new RegExp(`^The configuration can't be used: ${name} [^;]*\\.$`));
  });

  it.each([
    { REDIS_URL: "redis://user:hunter2@host,other" },
    { REDIS_URL: "redis://host?password=hunter2" },
    { REDIS_URL: "hunter2" },
    { REDIS_HOST: "redis://:hunter2@host" },
    { SERVER_HOST: "user:hunter2@host" },
    { ALLOWED_ORIGINS: "https://user:hunter2@example.com" },
  ])("says on one line what is wrong with %j, without the password", (env) => {
    const problems = problemsOf(env);
    expect(problems).toContain(Object.keys(env)[0]);
    expect(problems).not.toContain("hunter2");
  });

  it("stays on one line, whatever the values hold", () => {
    const problems = problemsOf({ PORT: "1\n2", LOG_LEVEL: "x\ny", SERVER_ID: "a\nb", LISTEN_HOST: "a\nb" });
    expect(problems).not.toContain("\n");
    expect(problemsOf({ PORT: "9".repeat(10_000) }).length).toBeLessThan(200);
  });

  it("warns if a URL makes the parts idle", () => {
    const env = { REDIS_URL: "redis://one", REDIS_HOST: "two", REDIS_PASSWORD: "hunter2" };
    const { redisUrl, warnings } = readGatewayConfig(env);
    expect(redisUrl).toBe("redis://one");
    expect(warnings).toEqual(["REDIS_URL is set, so REDIS_HOST, REDIS_PASSWORD are ignored"]);
    expect(readGatewayConfig({ REDIS_URL: "redis://one", REDIS_HOST: " " }).warnings).toEqual([]);
  });

  it("gives operators a port of their own if one is asked for, and each worker its own", () => {
    expect(readGatewayConfig({}).admin).toBeUndefined();
    expect(readGatewayConfig({ ADMIN_HOST: "::1" }).admin).toBeUndefined();
    expect(readGatewayConfig({ ADMIN_PORT: "9100" }).admin).toEqual({ port: 9100, host: "127.0.0.1" });
    const workers = { WORKERS: "3", REDIS_URL: "redis://x", ADMIN_PORT: "9100", ADMIN_HOST: "::1" };
    expect(readGatewayConfig({ ...workers, CM_WORKER: "3-2" }).admin).toEqual({ port: 9102, host: "::1" });
    expect(readGatewayConfig({ ...workers, ADMIN_PORT: "0", CM_WORKER: "3" }).admin?.port).toBe(0);
    expect(problemsOf({ ...workers, PORT: "9102" })).toContain("ADMIN_PORT");
    expect(problemsOf({ ...workers, ADMIN_PORT: "65534" })).toContain("ADMIN_PORT");
  });

  it("warns of variables that look misspelt, and of no others", () => {
    const foreign = {
      PATH: "/",
      HOSTNAME: "x",
      PAGER: "less",
      REDIS_PORT_6379_TCP: "x",
      SERVER_NAME: "x",
      LOG_FILE: "x",
    };
    expect(readGatewayConfig(foreign).warnings).toEqual([]);
    const { warnings } = readGatewayConfig({ TOKEN_SECERT: "x", WORKER: "2", REDIS_URI: "x", CM_WORKERS_X: "1" });
    expect(warnings).toEqual([
      "TOKEN_SECERT is not a known variable and is ignored. Did you mean TOKEN_SECRET?",
      "WORKER is not a known variable and is ignored. Did you mean WORKERS?",
      "REDIS_URI is not a known variable and is ignored. Did you mean REDIS_URL?",
      "CM_WORKERS_X is not a known variable and is ignored",
    ]);
  });

  it("knows every variable that it reads, and the page of the configuration lists them", () => {
    const asked = new Set<string>();
    const spy = (env: Record<string, string>) =>
      new Proxy(env, {
        get: (target, name) => {
          asked.add(String(name));
          return target[String(name)];
        },
      });
    readGatewayConfig(spy({ REDIS_HOST: "x", TOKEN_SECRET: "x".repeat(32) }));
    asked.delete("CM_WORKER");
    const variables = gatewayVariables();
    expect([...asked].filter((name) => !variables.includes(name))).toEqual([]);
    const page = readFileSync(new URL("../../../../docs/configuration.md", import.meta.url), "utf8");
    const listed = [...page.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names = ""]) =>
      names.replaceAll("`", "").split(", "),
    );
    expect(listed.toSorted()).toEqual(variables.toSorted());
  });

  it("gives each worker, and each of its starts, an id of its own", () => {
    const env = { SERVER_ID: "gw", WORKERS: "2", REDIS_URL: "redis://x" };
    expect(readGatewayConfig({ ...env, CM_WORKER: "2" })).toMatchObject({ serverId: "gw-2", worker: "2" });
    expect(readGatewayConfig({ ...env, CM_WORKER: "2-17" })).toMatchObject({ serverId: "gw-2-17", worker: "2-17" });
  });

  it("keeps the ids of all workers within the 64 characters of an id", () => {
    const env = { WORKERS: "64", REDIS_URL: "redis://x", CM_WORKER: "64-999999" };
    expect(readGatewayConfig({ ...env, SERVER_ID: "x".repeat(54) }).serverId).toHaveLength(64);
    expect(problemsOf({ ...env, SERVER_ID: "x".repeat(55) })).toContain("SERVER_ID");
  });
});
