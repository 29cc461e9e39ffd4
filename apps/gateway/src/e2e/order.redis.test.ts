import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually, startFaultProxy } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";

const COUNT = 500;
const numbers = Array.from({ length: COUNT }, (_, i) => i);

describe("what one connection sends", () => {
  it.each(["single", "cluster"] as const)(
    "keeps its order in each room and to each connection, whichever gateway they are on (%s)",
    async (redis) => {
      const cluster = await startGatewayCluster({ size: 2, redis, env: { MAX_REQUESTS_PER_SECOND: "100000" } });
      onTestFinished(() => cluster.close());
      const [sender, near, far] = await Promise.all([
        cluster.connect(0, "sender"),
        cluster.connect(0, "near"),
        cluster.connect(1, "far"),
      ]);
      const rooms = ["red", "blue"];
      for (const socket of [sender, near, far]) {
        for (const room of rooms) await socket.do({ type: "join", room });
      }
      // Do not wait for each request, only limit the number in progress.
      for (let from = 0; from < COUNT; from += 50) {
        const asked = numbers
          .slice(from, from + 50)
          .flatMap((data) => [
            ...rooms.map((room) => sender.do({ type: "publish", room, data })),
            ...[near, far].map(({ id }) => sender.do({ type: "send", connection: id, data })),
          ]);
        await Promise.all(asked);
      }
      await eventually(() => {
        for (const socket of [near, far]) {
          for (const room of rooms) expect(socket.messages(room)).toEqual(numbers);
          expect(socket.directs()).toEqual(numbers);
        }
        for (const room of rooms) expect(sender.messages(room)).toEqual(numbers);
      });
    },
  );

  it("has no order between a room and a connection: a direct message may overtake, if the way through Redis is long", async () => {
    const proxy = await startFaultProxy(Number(new URL(inject("redisUrl")).port));
    onTestFinished(() => proxy.close());
    const cluster = await startGatewayCluster({
      size: 1,
      redisUrlOf: () => `redis://127.0.0.1:${proxy.port}`,
    });
    onTestFinished(() => cluster.close());
    const [ann, bob] = await Promise.all([cluster.connect(0, "ann"), cluster.connect(0, "bob")]);
    for (const socket of [ann, bob]) await socket.do({ type: "join", room: "lobby" });
    await proxy.set({ kind: "delay", toServerMs: 300 });
    ann.tell({ type: "publish", room: "lobby", data: "first" });
    ann.tell({ type: "send", connection: bob.id, data: "second" });
    await bob.until((frame) => frame.type === "message");
    expect(bob.received).toMatchObject([
      { type: "direct", data: "second" },
      { type: "message", data: "first" },
    ]);
  });
});
