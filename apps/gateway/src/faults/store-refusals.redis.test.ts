import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { CLIENT_ERROR_CODES } from "@cm/protocol";
import { eventually, keysUnder, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

async function begin(): Promise<{
  readonly redis: Awaited<ReturnType<typeof startRedis>>;
  readonly cluster: FaultCluster;
  readonly crowd: Crowd;
}> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis });
  const crowd = await Crowd.gather(cluster);
  await expectProjected(cluster, crowd);
  return { redis, cluster, crowd };
}

async function readiness(cluster: FaultCluster, index: number): Promise<unknown> {
  return (await fetch(`${cluster.gateways[index]?.url}/readyz`)).json();
}

it("answers members with an error while Redis refuses its heartbeats, never with a wrong roster", async () => {
  const { redis, cluster, crowd } = await begin();
  const asker = crowd.on(0)[0];
  if (asker === undefined) throw new Error("Nobody is there.");
  const answers: string[] = [];
  const ask = async (): Promise<string> => {
    const answer = await asker.socket.ask({ type: "members", room: asker.room });
    const said =
      answer.type === "members" ? `${answer.total} members` : answer.type === "error" ? answer.code : answer.type;
    answers.push(said);
    return said;
  };
  const whole = await ask();
  await redis.ask("CONFIG", "SET", "maxmemory", "1");
  // Wait until all leases have expired; from then on every roster that Redis returns is empty.
  await eventually(async () => {
    await ask();
    const now = (await redis.ask("TIME")) as string[]; // Seconds and microseconds.
    const living = await redis.ask("ZCOUNT", `${cluster.prefix}:{servers}`, `${now[0]}000`, "+inf");
    expect(living).toBe(0);
  });
  expect(await ask()).toBe("unavailable");
  expect(new Set(answers)).toEqual(new Set([whole, "unavailable"]));
  expect(JSON.stringify(cluster.gateways[0]?.logs)).toContain("Redis refuses writes for now: OOM.");
  await redis.ask("CONFIG", "SET", "maxmemory", "0");
  await cluster.untilReady();
  await expectProjected(cluster, crowd);
  expect(await ask()).toBe(whole);
});

it("tells clients nothing of the permission that its Redis user lacks, and its log everything", async () => {
  const { redis, cluster, crowd } = await begin();
  const { socket, room } = crowd.on(0)[0] ?? {};
  await redis.ask("ACL", "SETUSER", "default", "-publish");
  const answer = await socket?.ask({ type: "publish", room, data: 1 });
  await redis.ask("ACL", "SETUSER", "default", "+publish");
  const { meaning: message } = CLIENT_ERROR_CODES.unavailable;
  expect(answer).toMatchObject({ type: "error", code: "unavailable", message });
  const logged = cluster.gateways[0]?.logs.filter(({ stage }) => stage === "request");
  expect(JSON.stringify(logged)).toContain("Its user lacks the permission for the command publish.");
});

it("is ready again after Redis has lost everything, with all rooms but the one whose key is not its own", async () => {
  const { redis, cluster, crowd } = await begin();
  const keys = await keysUnder(redis.url, `${cluster.prefix}:`);
  const spoilt = keys.find((key) => key.endsWith(":rooms:room-3")) ?? "";
  await redis.ask("EVAL", "redis.call('FLUSHALL') redis.call('SET', KEYS[1], 'foreign')", 1, spoilt);
  await eventually(async () => {
    for (const index of [0, 1]) expect((await cluster.stats(index)).reprojections).toBeGreaterThan(0);
  });
  await cluster.untilReady();
  const askers = crowd.on(1);
  for (const { socket, room } of askers.filter((member) => member.room !== "room-3")) {
    await eventually(async () => expect(await socket.ask({ type: "members", room })).toMatchObject({ total: 4 }));
  }
  expect(await redis.ask("GET", spoilt)).toBe("foreign");
  // The survivor cleans up after the dead server, except for the corrupt key.
  await cluster.gateways[0]?.kill();
  await eventually(async () => expect((await cluster.stats(1)).reapedServers).toBe(1));
  for (const { socket, room } of askers.filter((member) => member.room !== "room-3")) {
    expect(await socket.ask({ type: "members", room })).toMatchObject({ total: 2 });
  }
  await cluster.gateways[1]?.stop();
  const left = (await keysUnder(redis.url, `${cluster.prefix}:`)).filter((key) => /gw\d|\{servers\}$/.test(key));
  expect(left).toEqual([]);
});

it("writes a layout down again that was lost, and is not ready beside another one", async () => {
  const { redis, cluster } = await begin();
  const key = `${cluster.prefix}:layout`;
  const own = await redis.ask("HGETALL", key);
  await redis.ask("DEL", key);
  await eventually(async () => expect(await redis.ask("HGETALL", key)).toEqual(own));
  await redis.ask("HSET", key, "partitions", "64");
  for (const index of [0, 1]) {
    await eventually(async () =>
      expect(await readiness(cluster, index)).toMatchObject({ ready: false, lease: "held", fault: "layout-mismatch" }),
    );
    const told = cluster.gateways[index]?.logs.filter((line) => line.code === "layout-mismatch");
    expect(told).toHaveLength(1);
  }
  await redis.ask("DEL", key);
  await cluster.untilReady();
});
