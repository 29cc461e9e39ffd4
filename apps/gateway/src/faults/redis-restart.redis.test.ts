import { askRedis, eventually, freshPrefix, type RedisServer, startRedis } from "@cm/test-kit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CmSocket } from "../testing/cm-socket.js";
import { type GatewayProcess, startGatewayProcess } from "../testing/gateway-process.js";

describe("gateways whose Redis goes away", () => {
  let redis: RedisServer;
  let gateways: GatewayProcess[];
  let env: Record<string, string>;

  beforeEach(async () => {
    redis = await startRedis();
    env = {
      REDIS_URL: redis.url,
      REDIS_PREFIX: freshPrefix(),
      HEARTBEAT_INTERVAL_MS: "300",
      HEARTBEAT_TTL_SECONDS: "2",
    };
    gateways = await Promise.all(["gw1", "gw2"].map((id) => startGatewayProcess({ env: { ...env, SERVER_ID: id } })));
  });

  afterEach(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.close();
  });

  async function openPair(): Promise<[CmSocket, CmSocket]> {
    const [one, two] = gateways;
    const pair = await Promise.all([CmSocket.open(one?.wsUrl ?? "", "ann"), CmSocket.open(two?.wsUrl ?? "", "bob")]);
    for (const socket of pair) await socket.do({ type: "join", room: "lobby" });
    return pair;
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
  });

  it("tell the members of a room how many messages were lost, at once, where the subscription was cut", async () => {
    const [ann, bob] = await openPair();
    await bob.do({ type: "publish", room: "lobby", data: "before" });
    for (const socket of [ann, bob]) await socket.until((frame) => frame.type === "message" && frame.data === "before");
    const missedBy = (socket: CmSocket): number =>
      socket.received.reduce((sum, frame) => sum + (frame.type === "gap" ? (frame.missed ?? Number.NaN) : 0), 0);
    // Once more where the cut was healed before anything had been published.
    for (let published = 1; missedBy(ann) === 0; ) {
      await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
      await Promise.all([1, 2, 3].map((data) => bob.do({ type: "publish", room: "lobby", data })));
      published += 3;
      // Without anything more being published.
      await eventually(() => {
        for (const socket of [ann, bob]) expect(socket.messages("lobby").length + missedBy(socket)).toBe(published);
      });
    }
    await eventually(async () => {
      for (const gateway of gateways) expect(await readiness(gateway)).toBe(200);
    });
    await bob.do({ type: "publish", room: "lobby", data: "after" });
    for (const socket of [ann, bob]) await socket.until((frame) => frame.type === "message" && frame.data === "after");
  });

  it("close where another process took their id while they were paused", async () => {
    const [first] = gateways;
    const ann = await CmSocket.open(first?.wsUrl ?? "", "ann");
    first?.signal("SIGSTOP");
    const successor = await eventually(() => startGatewayProcess({ env: { ...env, SERVER_ID: "gw1" } }));
    gateways.push(successor);
    first?.signal("SIGCONT");
    expect(await ann.closed).toMatchObject({ code: 4201 });
    expect(await first?.exited).toBe(1);
    expect(await readiness(successor)).toBe(200);
  });
});
