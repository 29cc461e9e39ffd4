import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, type RedisServer, RespConnection, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

const MESSAGES = 1_000;

/**
 * Upper bound, with a tolerance, for the reads of a history per second and server: after four new epochs within 1
 * s, the history is read again only at the end of that second.
 */
const READS_PER_SECOND = 20;

it("delivers every message of a recoverable room from a full Redis that evicts its history, with few reads and a gap a second at most", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  // Only messages and their consequences may run scripts, so heartbeats are 30 s apart.
  const cluster = await startFaultCluster({
    redis,
    heartbeatIntervalMs: 30_000,
    leaseTtlSeconds: 90,
    env: { RECOVERABLE_ROOMS: "*", DEAD_AFTER_MS: "0", MAX_REQUESTS_PER_SECOND: "100000" },
  });
  const [ada, bob] = [await cluster.connect(0, "ada"), await cluster.connect(1, "bob")];
  for (const socket of [ada, bob]) await socket.do({ type: "join", room: "hall" });
  const numbersOf = (socket: CmSocket): number[] => socket.messages("hall").map(Number);
  const publish = async (from: number): Promise<number> => {
    const before = await scriptsOf(redis);
    for (let n = from; n < from + MESSAGES; n++) await ada.do({ type: "publish", room: "hall", data: n });
    for (const socket of [ada, bob]) {
      await eventually(() => expect(numbersOf(socket)).toHaveLength(from + MESSAGES));
    }
    return (await scriptsOf(redis)) - before;
  };
  const scripts = await publish(0);

  const beganAt = performance.now();
  const evicting = await fillUp(redis);
  const scriptsFull = await publish(MESSAGES);
  await evicting.stop();
  const seconds = (performance.now() - beganAt) / 1_000;
  expect(scripts).toBeGreaterThanOrEqual(MESSAGES);
  expect(scriptsFull - scripts).toBeLessThanOrEqual(2 * READS_PER_SECOND * (seconds + 1));
  for (const socket of [ada, bob]) {
    const gaps = socket.received.filter(({ type }) => type === "gap");
    expect([...numbersOf(socket)].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 2 * MESSAGES }, (_, n) => n),
    );
    expect(gaps.length).toBeGreaterThan(0);
    expect(gaps.length).toBeLessThanOrEqual(Math.floor(seconds) + 1);
  }
});

async function scriptsOf(redis: RedisServer): Promise<number> {
  const info = String(await redis.ask("INFO", "commandstats"));
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

/** Fills Redis with keys that have a longer time to live than histories, so that Redis evicts histories first. */
async function fillUp(redis: RedisServer): Promise<{ readonly stop: () => Promise<void> }> {
  const used = Number(/used_memory:(\d+)/.exec(String(await redis.ask("INFO", "memory")))?.[1]);
  await redis.ask(
    "CONFIG",
    "SET",
    "maxmemory-policy",
    "volatile-ttl",
    "maxmemory-samples",
    64,
    "maxmemory",
    used + 1_000_000,
  );
  const connection = await RespConnection.open(redis.port);
  onTestFinished(() => connection.close());
  const value = "x".repeat(10_000);
  let [count, isStopped] = [0, false];
  const writing = (async () => {
    while (!isStopped) await connection.command("SET", `filler:${count++}`, value, "EX", 1_200);
  })();
  // Ignore the rejection: if the test fails, the connection closes while this loop still writes.
  writing.catch(() => undefined);
  const evicted = async () => Number(/evicted_keys:(\d+)/.exec(String(await redis.ask("INFO", "stats")))?.[1]);
  await eventually(async () => expect(await evicted()).toBeGreaterThan(0));
  return {
    stop: async () => {
      isStopped = true;
      await writing;
    },
  };
}
