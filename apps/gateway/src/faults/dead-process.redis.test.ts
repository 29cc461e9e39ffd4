import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { PresenceWitness } from "@cm/gateway-kit/invariants/presence-witness";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { ownerOf } from "@cm/protocol";
import { askRedis, eventually, freshPrefix, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished, vi } from "vitest";

const DEAD_AFTER_MS = 1_000;

/** A server must have been in sync for this long before it presumes others dead. */
const STEADY_MS = 2 * DEAD_AFTER_MS + 500;

/**
 * Default heartbeats and leases, so that before the next heartbeat a dead server can only be detected by missing
 * signs of life.
 */
const LONG_LEASES = {
  heartbeatIntervalMs: 30_000,
  leaseTtlSeconds: 90,
  env: { DEAD_AFTER_MS: String(DEAD_AFTER_MS) },
};

/**
 * Half a heartbeat interval: what happens within this time is caused neither by a heartbeat nor by the end of a
 * lease. The exact times depend on the machine: `killed-by-default.redis.test.ts` and docs/failure-modes.md measure
 * them.
 */
const BEFORE_HEARTBEAT_MS = LONG_LEASES.heartbeatIntervalMs / 2;

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const passing = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it("a killed gateway's members leave every roster long before its lease expires, each offline once", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 3, ...LONG_LEASES });
  const crowd = await Crowd.gather(cluster, { alone: 3 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd);
  await passing(STEADY_MS);

  const observer = crowd.on(1)[0];
  const killedAt = performance.now();
  await cluster.gateways[0]?.kill();
  const rosterIsRight = async () => {
    const roster = await observer?.socket.do({ type: "members", room: observer.room });
    const servers = roster?.type === "members" ? roster.members.map(({ connection }) => ownerOf(connection)) : [];
    expect(new Set(servers)).toEqual(new Set(["gw2", "gw3"]));
  };
  await eventually(rosterIsRight, { timeoutMs: BEFORE_HEARTBEAT_MS });
  expect(performance.now() - killedAt).toBeLessThan(BEFORE_HEARTBEAT_MS);
  await eventually(async () => expect((await cluster.keys()).filter((key) => key.includes("gw1"))).toEqual([]));
  const survivors = await Promise.all([1, 2].map((index) => cluster.stats(index)));
  expect(survivors.reduce((sum, { reapedServers = 0 }) => sum + reapedServers, 0)).toBe(1);
  await witness.expectDepartures(crowd);
  await expectCleanEnd(cluster, crowd, { witness });
});

it("a paused gateway, and all of them after a restart of Redis, keep their leases", async () => {
  const redis = await startRedis({ durable: true });
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 3, ...LONG_LEASES });
  const crowd = await Crowd.gather(cluster, { alone: 3 });
  await expectProjected(cluster, crowd);
  await passing(STEADY_MS);
  const [paused] = cluster.gateways;
  paused?.pause();
  await passing(3 * DEAD_AFTER_MS);
  paused?.resume();
  await redis.kill();
  await passing(2 * DEAD_AFTER_MS);
  await redis.restart({ keepFiles: true });
  await cluster.untilReady();
  await passing(STEADY_MS + 2 * DEAD_AFTER_MS);
  const stats = await Promise.all([0, 1, 2].map((index) => cluster.stats(index)));
  expect(stats.map(({ reapedServers = 0 }) => reapedServers)).toEqual([0, 0, 0]);
  expect(crowd.present).toEqual(crowd.members);
  await expectProjected(cluster, crowd);
});

it("gateways find out that Redis was emptied within a second or two, long before their next heartbeat", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, ...LONG_LEASES });
  const crowd = await Crowd.gather(cluster, { alone: 3 });
  await expectProjected(cluster, crowd);
  const emptiedAt = performance.now();
  await askRedis(redis.port, "FLUSHALL");
  await expectProjected(cluster, crowd);
  expect(performance.now() - emptiedAt).toBeLessThan(BEFORE_HEARTBEAT_MS);
  expect(crowd.present).toEqual(crowd.members);
});

it("a roster that is asked for finds out that Redis was emptied, and is never shown without its members", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  // Only the request can detect the loss: heartbeats are 30 s apart, and signs of life are off.
  const cluster = await startFaultCluster({ redis, size: 1, ...LONG_LEASES, env: { DEAD_AFTER_MS: "0" } });
  const [member, outsider] = [await cluster.connect(0, "ada"), await cluster.connect(0, "eve")];
  await member.do({ type: "join", room: "lobby" });
  await redis.ask("FLUSHALL");
  const emptiedAt = performance.now();
  const totals: unknown[] = [];
  while (totals.at(-1) !== 1) {
    const answer = await outsider.ask({ type: "members", room: "lobby" });
    totals.push(answer.type === "members" ? answer.total : answer.type === "error" && answer.code);
    await passing(20);
  }
  expect(totals[0]).toBe("unavailable");
  expect(new Set(totals)).toEqual(new Set(["unavailable", 1]));
  expect(performance.now() - emptiedAt).toBeLessThan(BEFORE_HEARTBEAT_MS);
});

it("a roster is not shown without the members of a gateway that has not written them again after Redis was emptied", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  // Signs of life are sent every 2 s, and a roster waits at most 10 s for those of other servers.
  const cluster = await startFaultCluster({ redis, size: 2, ...LONG_LEASES, env: { DEAD_AFTER_MS: "10000" } });
  const [member, outsider] = [await cluster.connect(0, "ada"), await cluster.connect(1, "eve")];
  await member.do({ type: "join", room: "lobby" });
  const roster = async () => {
    const answer = await outsider.ask({ type: "members", room: "lobby" });
    return answer.type === "members" ? answer.total : answer.type === "error" && answer.code;
  };
  // Wait until both gateways have sent a second sign of life, so that each knows of the other.
  const signs = async (): Promise<readonly unknown[]> => {
    const rows = await redis.ask("ZRANGE", `${cluster.prefix}:{servers}.signs`, 0, -1, "WITHSCORES");
    return Array.isArray(rows) ? rows.filter((_, index) => index % 2 === 1) : [];
  };
  await eventually(async () => expect(await signs()).toHaveLength(2));
  const before = new Set(await signs());
  await eventually(async () => expect((await signs()).filter((sign) => before.has(sign))).toEqual([]));
  expect(await roster()).toBe(1);

  cluster.gateways[0]?.pause();
  await redis.ask("FLUSHALL");
  expect(await roster()).toBe("unavailable");
  // The gateway that was asked holds its lease again; the paused one has not noticed the loss.
  await eventually(async () => expect((await fetch(`${cluster.gateways[1]?.url}/readyz`)).status).toBe(200));
  expect(await roster()).toBe("unavailable");
  cluster.gateways[0]?.resume();
  const totals: unknown[] = [];
  while (totals.at(-1) !== 1) {
    totals.push(await roster());
    await passing(20);
  }
  expect(new Set(totals)).toEqual(new Set(["unavailable", 1]));
});

it("gateways whose leases expired by Redis's clock report it at once, and no member is announced as gone", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, ...LONG_LEASES });
  const crowd = await Crowd.gather(cluster, { alone: 3 });
  await expectProjected(cluster, crowd);
  const witness = await PresenceWitness.watch(cluster, crowd, { leasesRunOut: true });
  // Users with one connection each, so that no message is delivered locally.
  const on = (index: number) => crowd.on(index).find(({ user }) => user.startsWith("alone"));
  const [ada, bob] = [on(0), on(1)];
  expect(ada?.user).not.toBe(bob?.user);
  const leases = `${cluster.prefix}:{servers}`;
  const members = await redis.ask("ZRANGE", leases, 0, -1);
  if (!Array.isArray(members) || members.length !== 2) throw new Error(`Two leases expected, not ${String(members)}`);

  // Let all leases expire, which has the same effect as a clock that is set forward by more than a lease.
  await redis.ask("ZADD", leases, ...members.flatMap((member) => [1, String(member)]));
  const steppedAt = performance.now();
  const outcomes = new Set<string>();
  while (performance.now() - steppedAt < DEAD_AFTER_MS + 1_000) {
    for (const [from, to] of [
      [ada, bob],
      [bob, ada],
    ]) {
      const answer = await from?.socket.ask({ type: "send", user: to?.user, data: 1 });
      outcomes.add(answer?.type === "error" ? answer.code : String(answer?.type));
    }
    await passing(20);
  }
  expect([...outcomes].filter((outcome) => outcome !== "ack" && outcome !== "unavailable")).toEqual([]);
  const renewed = await redis.ask("ZRANGE", leases, Date.now(), "+inf", "BYSCORE");
  expect(renewed).toHaveLength(2);
  for (const { logs } of cluster.gateways) {
    expect(logs.filter(({ msg }) => String(msg).includes("all connections were projected again"))).toHaveLength(1);
  }
  await expectProjected(cluster, crowd);
  expect(crowd.present).toEqual(crowd.members);
  await witness.expectDepartures(crowd);
});

it("a start with a dead process's id takes its place, and with a living one's fails at once", async () => {
  const env = {
    REDIS_URL: inject("redisUrl"),
    REDIS_PREFIX: freshPrefix(),
    SERVER_ID: "set-0",
    DEAD_AFTER_MS: String(DEAD_AFTER_MS),
  };
  const first = await startGatewayProcess({ env });
  await expect(startGatewayProcess({ env })).rejects.toThrow(/lease expires at \d{4}-/);
  await first.kill();
  const killedAt = performance.now();
  const second = await startGatewayProcess({ env });
  expect(performance.now() - killedAt).toBeLessThan(BEFORE_HEARTBEAT_MS);
  expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
  await second.stop();
});
