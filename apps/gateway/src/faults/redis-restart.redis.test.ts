import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type ClosablePopulation, expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectNoKeys } from "@cm/gateway-kit/invariants/invariants";
import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { askRedis, eventually, type RedisServer, startRedis } from "@cm/test-kit";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";

describe("gateways whose Redis goes away", () => {
  let redis: RedisServer;
  let cluster: FaultCluster;
  let gateways: readonly GatewayProcess[];

  beforeEach(async () => {
    redis = await startRedis();
    onTestFinished(() => redis.close());
    cluster = await startFaultCluster({ redis, heartbeatIntervalMs: 300, leaseTtlSeconds: 2 });
    gateways = cluster.gateways;
  });

  async function openPair(): Promise<[CmSocket, CmSocket]> {
    const pair = await Promise.all([cluster.connect(0, "ann"), cluster.connect(1, "bob")]);
    for (const socket of pair) await socket.do({ type: "join", room: "lobby" });
    return pair;
  }

  function populationOf(ann: CmSocket, bob: CmSocket): ClosablePopulation {
    const members = [
      { socket: ann, user: "ann", gateway: 0, room: "lobby" },
      { socket: bob, user: "bob", gateway: 1, room: "lobby" },
    ];
    return {
      members,
      get present() {
        return members.filter(({ socket }) => socket.isOpen);
      },
      leave: () => members.forEach(({ socket }) => void socket.terminate()),
    };
  }

  const readiness = async (gateway: GatewayProcess | undefined): Promise<number> =>
    (await fetch(`${gateway?.url}/readyz`)).status;

  it("refuse requests with a code while it is down, keep their sockets, and are whole again when it is back, empty", async () => {
    const [ann, bob] = await openPair();
    await redis.kill();
    await eventually(async () => expect(await readiness(gateways[0])).toBe(503));
    const answer: unknown = await (await fetch(`${gateways[0]?.url}/readyz`)).json();
    expect(answer).toMatchObject({
      ready: false,
      link: "down",
      linkSince: expect.stringMatching(/^\d{4}-.+Z$/),
      lastProbeMs: expect.any(Number),
    });
    const refused = await ann.ask({ type: "publish", room: "lobby", data: "into the void" });
    expect(refused).toMatchObject({ type: "error", retryable: true });
    expect(["unavailable", "timeout"]).toContain(refused.type === "error" ? refused.code : "");
    expect(await ann.ask({ type: "ping" })).toMatchObject({ type: "pong" });

    await redis.restart();
    await eventually(async () => {
      for (const gateway of gateways) expect(await readiness(gateway)).toBe(200);
      expect(await ann.ask({ type: "members", room: "lobby" })).toMatchObject({ type: "members", total: 2 });
    });
    await bob.do({ type: "publish", room: "lobby", data: "back" });
    await ann.until((frame) => frame.type === "message" && frame.data === "back");
    expect(await ann.do({ type: "send", user: "bob", data: "psst" })).toMatchObject({ type: "ack" });
    await bob.until((frame) => frame.type === "direct" && frame.data === "psst");
    await expectCleanEnd(cluster, populationOf(ann, bob));
  });

  it("notify the members of a room at once how many messages were lost, if the subscription was cut", async () => {
    const [ann, bob] = await openPair();
    await bob.do({ type: "publish", room: "lobby", data: "before" });
    for (const socket of [ann, bob]) await socket.until((frame) => frame.type === "message" && frame.data === "before");
    const missedBy = (socket: CmSocket): number =>
      socket.received.reduce((sum, frame) => sum + (frame.type === "gap" ? (frame.missed ?? Number.NaN) : 0), 0);
    // Repeat if the connection was restored before anything was published.
    for (let published = 1; missedBy(ann) === 0; ) {
      await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
      await Promise.all([1, 2, 3].map((data) => bob.do({ type: "publish", room: "lobby", data })));
      published += 3;
      // The gap must be noticed without any further message.
      await eventually(() => {
        for (const socket of [ann, bob]) expect(socket.messages("lobby").length + missedBy(socket)).toBe(published);
      });
    }
    await eventually(async () => {
      for (const gateway of gateways) expect(await readiness(gateway)).toBe(200);
    });
    await bob.do({ type: "publish", room: "lobby", data: "after" });
    for (const socket of [ann, bob]) await socket.until((frame) => frame.type === "message" && frame.data === "after");
    await expectCleanEnd(cluster, populationOf(ann, bob));
  });

  it("close if another process took their id while they were paused", async () => {
    const [first] = gateways;
    const ann = await CmSocket.open(first?.wsUrl ?? "", "ann");
    first?.signal("SIGSTOP");
    const env = {
      REDIS_URL: redis.url,
      REDIS_PREFIX: cluster.prefix,
      SERVER_ID: "gw1",
      HEARTBEAT_INTERVAL_MS: "300",
      HEARTBEAT_TTL_SECONDS: "2",
    };
    const successor = await eventually(() => startGatewayProcess({ env }));
    onTestFinished(() => successor.kill());
    first?.signal("SIGCONT");
    expect(await ann.closed).toMatchObject({ code: 4201 });
    expect(await first?.exited).toBe(1);
    expect(await readiness(successor)).toBe(200);
    expect(await successor.stop()).toBe(0);
    await gateways[1]?.stop();
    await expectNoKeys(cluster);
  });
});
