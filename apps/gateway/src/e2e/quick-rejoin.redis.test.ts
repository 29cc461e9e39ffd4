import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { channelsUnder, eventually, repetitions } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

/** Number of cycles; 1,000 in a soak. */
const CYCLES = repetitions(1_000);
/** Number of requests in progress; a connection may have 256. */
const AT_A_TIME = 200;

it.each(["single", "cluster"] as const)(
  "ends with what was asked last, and leaves nothing, after hundreds of joins and leaves of one room by two connections (%s)",
  async (redis) => {
    const cluster = await startGatewayCluster({ size: 2, redis, env: { MAX_REQUESTS_PER_SECOND: "100000" } });
    onTestFinished(() => cluster.close());
    const sockets = await Promise.all([cluster.connect(0, "ann"), cluster.connect(1, "bob")]);
    const [ann, bob] = sockets;
    const channels = (): Promise<string[]> => channelsUnder(cluster.redisUrl, cluster.prefix);
    const before = await channels();

    await Promise.all(
      sockets.map(async (socket) => {
        for (let cycle = 0; cycle < CYCLES; cycle += AT_A_TIME / 2) {
          const asked = Array.from({ length: AT_A_TIME / 2 }, () => [
            socket.do({ type: "join", room: "lobby" }),
            socket.do({ type: "leave", room: "lobby" }),
          ]);
          await Promise.all(asked.flat());
        }
        await socket.do({ type: "join", room: "lobby" });
      }),
    );
    for (const socket of sockets) {
      expect(await socket.do({ type: "members", room: "lobby" })).toMatchObject({ total: 2 });
      await socket.do({ type: "publish", room: "lobby", data: socket.id });
    }
    await eventually(() => {
      for (const socket of sockets) expect(socket.messages().sort()).toEqual([ann.id, bob.id].sort());
    });

    await Promise.all(sockets.map((socket) => socket.do({ type: "leave", room: "lobby" })));
    expect(await ann.do({ type: "members", room: "lobby" })).toMatchObject({ total: 0 });
    for (const index of [0, 1]) {
      await eventually(
        async () =>
          expect(await cluster.stats(index)).toMatchObject({ rooms: 0, idleSubscriptions: 0, pendingRemovals: 0 }),
        { timeoutMs: 15_000 },
      );
    }
    // The room's channel is unsubscribed a moment after its last member has left.
    await eventually(async () => expect(await channels()).toEqual(before));
    expect((await cluster.keys()).filter((key) => key.includes("rooms"))).toEqual([]);
    await Promise.all(sockets.map((socket) => socket.close()));
    await cluster.close();
    expect(await cluster.keys()).toEqual([`${cluster.prefix}:layout`]);
    expect(await channels()).toEqual([]);
  },
);
