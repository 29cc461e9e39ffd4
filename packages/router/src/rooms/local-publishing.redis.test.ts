import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix, type RedisServer, startRedis } from "@cm/test-kit";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { RouterOptions } from "../options.js";
import { bytes, type Server, startServer } from "../router.fixture.js";

const textsOf = (server: Server): string[] => server.sockets.rooms.map((message) => message.text);

describe("rooms whose members may get a message without the bus", () => {
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await startRedis();
    onTestFinished(() => redis.close());
  });

  async function startPair(options: Partial<RouterOptions>): Promise<[Server, Server]> {
    const prefix = freshPrefix();
    const start = (id: string): Promise<Server> =>
      startServer(id, createRedisStore({ url: redis.url, prefix, onError: () => undefined }), options);
    const pair: [Server, Server] = [await start("a"), await start("b")];
    await Promise.all(pair.map(({ router }) => router.enter("lobby")));
    return pair;
  }

  it("in publisher order: local members at once, others through the bus, no member twice", async () => {
    const [a, b] = await startPair({ orderOf: () => "publisher" });
    const except = [a.nextId()];
    const publishing = a.router.toRoom("lobby", "1", except);
    // The message is delivered even before the bus has responded.
    expect(a.sockets.rooms).toEqual([{ room: "lobby", text: "1", except }]);
    expect(await publishing).toEqual({ subscribers: 2 });
    await a.router.toRoom("lobby", bytes("2"));
    await b.router.toRoom("lobby", bytes("3"));
    // The server's own copies came back before message 3, and were dropped.
    await eventually(() => expect(textsOf(a)).toEqual(["1", "2", "3"]));
    await eventually(() => expect([...textsOf(b)].sort()).toEqual(["1", "2", "3"]));
    expect(b.sockets.rooms.find((message) => message.text === "1")?.except).toEqual(except);
    expect([...a.gaps, ...b.gaps]).toEqual([]);
    expect(a.router.stats()).toMatchObject({ received: 1, duplicates: 0 });
  });

  it("in publisher order: a frame that is no text is refused before anybody gets it", async () => {
    const [a] = await startPair({ orderOf: () => "publisher" });
    await expect(a.router.toRoom("lobby", Uint8Array.of(0xff))).rejects.toMatchObject({ code: "frame-not-text" });
    expect(a.sockets.rooms).toEqual([]);
  });

  it("while the bus is down: by default no member gets it, and the publisher is notified", async () => {
    const [a] = await startPair({});
    await redis.kill();
    await eventually(() => expect(a.store.link.state).toBe("down"));
    await expect(a.router.toRoom("lobby", "x")).rejects.toMatchObject({ code: "unavailable" });
    expect(a.sockets.rooms).toEqual([]);
  });

  it("while the bus is down: in publisher order the publisher is notified, and also that local members got it", async () => {
    const [a] = await startPair({ orderOf: () => "publisher" });
    await redis.kill();
    await eventually(() => expect(a.store.link.state).toBe("down"));
    const publishing = a.router.toRoom("lobby", "x");
    await expect(publishing).rejects.toMatchObject({ code: "unavailable", details: { local: true } });
    expect(textsOf(a)).toEqual(["x"]);
    // Without local members, the error has no `local` detail.
    const elsewhere = a.router.toRoom("elsewhere", "x");
    await expect(elsewhere).rejects.not.toHaveProperty("details.local");
    await expect(elsewhere).rejects.toMatchObject({ code: "unavailable" });
  });

  for (const order of ["room", "publisher"] as const) {
    it(`while the bus is down: delivered to local members if the room is set to do so, reported as such, and as a gap elsewhere (${order} order)`, async () => {
      const [a, b] = await startPair({ orderOf: () => order, whileDown: () => "deliver-locally" });
      await a.router.toRoom("lobby", "before");
      await eventually(() => expect([textsOf(a), textsOf(b)]).toEqual([["before"], ["before"]]));
      await redis.kill();
      await eventually(() => expect(a.store.link.state).toBe("down"));
      for (const text of ["1", "2"]) {
        expect(await a.router.toRoom("lobby", text)).toMatchObject({ local: true, error: { code: "unavailable" } });
      }
      expect(textsOf(a)).toEqual(["before", "1", "2"]);
      await expect(a.router.toRoom("elsewhere", "x")).rejects.toMatchObject({ code: "unavailable" });

      await redis.restart();
      await eventually(() => expect(b.gaps).toContainEqual({ room: "lobby", known: { origin: "a", missed: 2 } }));
      expect(await a.router.toRoom("lobby", "after")).toEqual({ subscribers: 2 });
      await eventually(() => expect(textsOf(a)).toEqual(["before", "1", "2", "after"]));
      await eventually(() => expect(textsOf(b)).toEqual(["before", "after"]));
      // The server's own members have missed none of its own messages.
      expect(a.gaps.filter(({ known }) => known !== undefined)).toEqual([]);
    });
  }
});
