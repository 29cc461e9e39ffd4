import { once } from "node:events";
import { createServer } from "node:net";
import { type GatewayProgram, type LogLine, runGatewayProgram } from "@cm/gateway-kit/processes/gateway-program";
import {
  askRedis,
  eventually,
  type FaultProxy,
  freePort,
  freshPrefix,
  keysLeftUnder,
  startFaultProxy,
} from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";

const redisPort = (): number => Number(new URL(inject("redisUrl")).port);
const listens = ({ url }: LogLine): boolean => url !== undefined;
const started = ({ msg }: LogLine): boolean => msg === "workers started";

async function settings(env: Record<string, string> = {}): Promise<Record<string, string> & { PORT: string }> {
  return {
    PORT: String(await freePort()),
    WORKERS: "2",
    REDIS_URL: inject("redisUrl"),
    REDIS_PREFIX: freshPrefix(),
    SERVER_ID: "multi",
    ...env,
  };
}

/** A proxy to a Redis that accepts connections and does not respond until the proxy is switched to pass. */
async function startHungProxy(): Promise<FaultProxy> {
  const proxy = await startFaultProxy(redisPort(), { mode: { kind: "hang" } });
  onTestFinished(() => proxy.close());
  return proxy;
}

async function expectPortFree(port: string): Promise<void> {
  const probe = createServer().listen(Number(port), "127.0.0.1");
  await once(probe, "listening");
  probe.close();
}

async function expectNoKeys(prefix = ""): Promise<void> {
  expect((await keysLeftUnder(inject("redisUrl"), prefix)).filter((key) => key !== `${prefix}:layout`)).toEqual([]);
}

async function close(program: GatewayProgram): Promise<void> {
  program.child.kill("SIGTERM");
  expect(await program.ended).toMatchObject({ code: 0, signal: null });
}

const pidOf = (line: LogLine): number => Number(line.pid);

it("says that they started only when all of them listen", async () => {
  const env = await settings({ WORKERS: "3" });
  const program = runGatewayProgram(env);
  await program.line(started);
  expect(program.logs.filter(listens).map(({ serverId }) => serverId)).toEqual(
    expect.arrayContaining(["multi-1", "multi-2", "multi-3"]),
  );
  expect(program.logs.at(-1)).toMatchObject({ msg: "workers started" });
  await close(program);
  await expectNoKeys(env.REDIS_PREFIX);
});

it("leaves no worker behind when the primary is killed while they start", async () => {
  const proxy = await startHungProxy();
  const env = await settings({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const program = runGatewayProgram(env);
  // Two connections per worker: both workers are starting.
  await eventually(() => expect(proxy.accepted).toBeGreaterThanOrEqual(4));
  program.child.kill("SIGKILL");
  await once(program.child, "exit");
  await proxy.set({ kind: "pass" });
  expect(await program.ended).toMatchObject({ signal: "SIGKILL" });
  expect(program.logs.filter(listens)).toEqual([]);
  await expectPortFree(env.PORT);
  await expectNoKeys(env.REDIS_PREFIX);
});

it("leaves no worker behind when the primary is killed while they serve", async () => {
  const env = await settings();
  const program = runGatewayProgram(env);
  await program.line(started);
  program.child.kill("SIGKILL");
  expect(await program.ended).toMatchObject({ signal: "SIGKILL" });
  await expectPortFree(env.PORT);
  await expectNoKeys(env.REDIS_PREFIX);
});

it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("closes them when %s comes while they start", async (signal) => {
  const proxy = await startHungProxy();
  const env = await settings({ REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const program = runGatewayProgram(env);
  await eventually(() => expect(proxy.accepted).toBeGreaterThanOrEqual(4));
  program.child.kill(signal);
  expect(await program.ended).toMatchObject({ code: 0, signal: null });
  expect(program.logs.filter(started)).toEqual([]);
  await expectNoKeys(env.REDIS_PREFIX);
});

it("ends with the exit code of a worker that can never start, instead of trying forever", async () => {
  const env = await settings();
  await askRedis(redisPort(), "HSET", `${env.REDIS_PREFIX}:layout`, "version", "1", "partitions", "7");
  const program = runGatewayProgram(env);
  expect(await program.ended).toMatchObject({ code: 1 });
  expect(program.logs).toContainEqual(expect.objectContaining({ code: "layout-mismatch" }));
  expect(program.logs.filter(started)).toEqual([]);
  expect(program.logs.filter(({ msg }) => String(msg).includes("restarted"))).toEqual([]);
  await expectPortFree(env.PORT);
});

it("ends with 78 if the workers find that the configuration can't be used", async () => {
  const program = runGatewayProgram(await settings({ REDIS_URL: `${inject("redisUrl")}/99` }));
  expect(await program.ended).toMatchObject({ code: 78, stderr: expect.stringContaining("database 99") });
});

it("says why workers can't listen: another process does only where it is so", async () => {
  const foreign = runGatewayProgram(await settings({ LISTEN_HOST: "192.0.2.1", OPEN: "true" }));
  expect(await foreign.ended).toMatchObject({
    code: 78,
    stderr: expect.stringContaining("not an address of this machine"),
  });
});

it("starts a killed worker again at once, under an id that no lease blocks, as often as it takes", async () => {
  const env = await settings();
  const program = runGatewayProgram(env);
  await program.line(started);
  const first = await program.line((line) => listens(line) && line.serverId === "multi-1");
  process.kill(pidOf(first), "SIGKILL");
  const second = await program.line((line) => listens(line) && line.serverId === "multi-1-2");
  process.kill(pidOf(second), "SIGKILL");
  await program.line((line) => listens(line) && line.serverId === "multi-1-3");
  expect((await fetch(`http://127.0.0.1:${env.PORT}/readyz`)).status).toBe(200);
  expect(JSON.stringify(program.logs)).not.toContain("server-id-taken");
  await close(program);
  await expectPortFree(env.PORT);
});

it("kills a worker that does not close in time, and says so by its exit code", async () => {
  const env = await settings({ SHUTDOWN_TIMEOUT_MS: "300" });
  const program = runGatewayProgram(env);
  const worker = await program.line(listens);
  await program.line(started);
  process.kill(pidOf(worker), "SIGSTOP");
  program.child.kill("SIGTERM");
  expect(await program.ended).toMatchObject({ code: 1, signal: null });
  await expectPortFree(env.PORT);
});

it("closes at once if a worker waits to be started again", async () => {
  const env = await settings({ WORKERS: "2" });
  const program = runGatewayProgram(env);
  await program.line(started);
  process.kill(pidOf(await program.line(listens)), "SIGKILL");
  await program.line(({ msg }) => String(msg).includes("restarted"));
  await close(program);
  await expectPortFree(env.PORT);
});
