import { once } from "node:events";
import { createServer } from "node:net";
import { type ProgramEnd, runGatewayProgram } from "@cm/gateway-kit/processes/gateway-program";
import { askRedis, eventually, freePort, freshPrefix, keysLeftUnder, startFaultProxy, startRedis } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";

const redisPort = (): number => Number(new URL(inject("redisUrl")).port);

/** Runs the program until it exits by itself. Returns its output and exit code. */
async function end(
  env: Record<string, string>,
  afterTest = onTestFinished,
): Promise<ProgramEnd & { readonly logs: readonly unknown[] }> {
  const program = runGatewayProgram(env, afterTest);
  return { ...(await program.ended), logs: program.logs };
}

const oneLine = (text: string): string => {
  expect(text.trimEnd().split("\n")).toHaveLength(1);
  expect(text).not.toMatch(/^\s+at /m);
  return text;
};

describe("a signal while the gateway starts", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("(%s) ends a wait for Redis at once, with exit code 0", async (signal) => {
    const proxy = await startFaultProxy(redisPort(), { mode: { kind: "hang" } });
    onTestFinished(() => proxy.close());
    const { child, ended, logs } = runGatewayProgram({ PORT: "0", REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(0));
    const askedAt = performance.now();
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 0, signal: null });
    expect(performance.now() - askedAt).toBeLessThan(5_000);
    expect(logs.map(({ msg }) => msg)).toEqual(["asked to stop", "closed"]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("leaves nothing behind when it comes with packet %i to Redis", async (packet) => {
    const prefix = freshPrefix();
    let reached = (): void => undefined;
    let packets = 0;
    const proxy = await startFaultProxy(redisPort(), {
      onChunk: (direction) => direction === "to-server" && ++packets === packet && reached(),
    });
    onTestFinished(() => proxy.close());
    const program = runGatewayProgram({
      PORT: "0",
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      REDIS_PREFIX: prefix,
      HEARTBEAT_INTERVAL_MS: "100",
    });
    reached = () => program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect((await keysLeftUnder(inject("redisUrl"), prefix)).filter((key) => key !== `${prefix}:layout`)).toEqual([]);
  });
});

describe("a configuration that can't be used", () => {
  it("ends the start with one line that names every bad value", async () => {
    const { code, stderr, logs } = await end({
      PORT: "eighty",
      LISTEN_HOST: "not a host",
      SERVER_HOST: "http://gw",
      ALLOWED_ORIGINS: "https://example.com/path",
      REDIS_URL: "redis+sentinel://:hunter2@a:99999",
      WORKERS: "2",
    });
    expect(code).toBe(78);
    oneLine(stderr);
    for (const name of ["PORT", "LISTEN_HOST", "SERVER_HOST", "ALLOWED_ORIGINS", "REDIS_URL"]) {
      expect(stderr).toContain(name);
    }
    expect(stderr).not.toMatch(/WORKERS|hunter2/);
    expect(logs).toEqual([]);
  });

  it("is also reported if only the system can detect it: an address of another machine", async () => {
    const env = { LISTEN_HOST: "192.0.2.1", OPEN: "true", PORT: String(await freePort()) };
    const alone = await end({ ...env, PORT: "0" });
    expect([alone.code, oneLine(alone.stderr)]).toEqual([78, expect.stringContaining("192.0.2.1")]);
    const workers = await end({ ...env, WORKERS: "2", REDIS_URL: inject("redisUrl") });
    expect([workers.code, oneLine(workers.stderr)]).toEqual([78, expect.stringContaining("192.0.2.1")]);
  });

  it("shows as such if Redis lacks the database", async () => {
    const { code, stderr } = await end({ PORT: "0", REDIS_URL: `${inject("redisUrl")}/99` });
    expect([code, oneLine(stderr)]).toEqual([78, expect.stringContaining("database 99")]);
  });
});

it.each(["json", "text"])("ends even if its log is no longer read (%s)", async (LOG_FORMAT) => {
  const { child, line, ended } = runGatewayProgram({ PORT: "0", LOG_FORMAT });
  await line(({ msg }) => String(msg).includes("listening"));
  child.stdout?.destroy();
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 0, signal: null });
});

it("warns if REDIS_URL makes REDIS_HOST idle, and goes by the URL", async () => {
  const program = runGatewayProgram({
    PORT: "0",
    REDIS_URL: inject("redisUrl"),
    REDIS_PREFIX: freshPrefix(),
    REDIS_HOST: "elsewhere.invalid",
  });
  await program.line(({ url }) => url !== undefined);
  expect(program.logs[0]).toMatchObject({ level: 40, msg: expect.stringMatching(/REDIS_URL.*REDIS_HOST/) });
  program.child.kill("SIGTERM");
  expect(await program.ended).toMatchObject({ code: 0 });
});

// Run these tests concurrently, because each waits until the time limit for reaching Redis at the start is
// over.
it.concurrent("never prints the password if Redis refuses it", async ({ expect, onTestFinished }) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  await askRedis(redis.port, "CONFIG", "SET", "requirepass", "right");
  const env = { PORT: String(await freePort()), REDIS_URL: redis.url.replace("//", "//:hunter2@") };
  const [alone, workers] = await Promise.all([
    end(env, onTestFinished),
    end({ ...env, WORKERS: "2", PORT: String(await freePort()) }, onTestFinished),
  ]);
  for (const { code, stderr, logs } of [alone, workers]) {
    expect(code).toBe(1);
    expect(JSON.stringify(logs)).toContain("WRONGPASS");
    expect(stderr + JSON.stringify(logs)).not.toContain("hunter2");
  }
});

it.concurrent("gives up with a code, within bounds, if Redis is away, with workers too", async ({
  expect,
  onTestFinished,
}) => {
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(await freePort()), WORKERS: "2" };
  const port = await freePort();
  const [alone, workers] = await Promise.all([
    end({ ...env, PORT: "0", WORKERS: "1" }, onTestFinished),
    end({ ...env, PORT: String(port) }, onTestFinished),
  ]);
  for (const { code, logs } of [alone, workers]) {
    expect(code).toBe(1);
    expect(JSON.stringify(logs)).toContain('"code":"unavailable"');
    expect(JSON.stringify(logs)).not.toMatch(/"msg":"(workers started|listening|the admin port)/);
  }
  const probe = createServer().listen(port, "127.0.0.1");
  await once(probe, "listening");
  probe.close();
  expect(await end({ ...env, REDIS_HOST: "no such host" }, onTestFinished)).toMatchObject({
    code: 78,
    stderr: expect.stringContaining("REDIS_HOST"),
  });
});
