import { createRedisStore } from "@cm/redis-store";
import {
  askRedis,
  eventually,
  freshPrefix,
  type RedisServer,
  startFaultProxy,
  startRedis,
  startRedisCluster,
} from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { bytes, type Server, startServer } from "../router.fixture.js";
import { cut, end, FIRST, heardSinceNow, missedBy, publish, startPair, textsOf } from "./gap-detection.fixture.js";

describe("after an interruption", () => {
  it("the number of missed messages is reported exactly, without any further publish", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby")]);
    await publish(b, "lobby", "before");
    await eventually(() => expect(textsOf(a)).toEqual(["before"]));
    await cut(pair, FIRST);
    await publish(b, "lobby", "1", "2", "3");
    await eventually(() => expect(a.gaps).toEqual([{ room: "lobby", known: { origin: "b", missed: 3 } }]));
    // Later messages follow the number up to which the gap was counted, and no gap is reported twice.
    await publish(b, "lobby", "after");
    await eventually(() => expect(textsOf(a)).toEqual(["before", "after"]));
    expect(a.gaps).toHaveLength(1);
    expect(a.router.stats()).toMatchObject({ gaps: 1, missed: 3, resumedUncertain: 0 });
    expect(b.gaps).toEqual([]);
  });

  it("nothing is reported if nothing was published", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby"), a.router.enter("quiet")]);
    await publish(b, "lobby", "before");
    await publish(a, "lobby", "own");
    await eventually(() => expect([textsOf(a).length, textsOf(b).length]).toEqual([2, 2]));
    await cut(pair, 0, 1);
    // Server a has two rooms and its own channel, server b has one room and its own channel.
    await eventually(() => expect(a.router.stats()).toMatchObject({ interruptions: 3, resumedWhole: 3 }));
    await eventually(() => expect(b.router.stats()).toMatchObject({ interruptions: 2, resumedWhole: 2 }));
    expect([...a.gaps, ...b.gaps]).toEqual([]);
  });

  it("this server's own messages are counted too", async () => {
    const pair = await startPair();
    const { a } = pair;
    await a.router.enter("lobby");
    await publish(a, "lobby", "before");
    await eventually(() => expect(textsOf(a)).toEqual(["before"]));
    await cut(pair, FIRST);
    await publish(a, "lobby", "1", "2");
    await eventually(() => expect(a.gaps).toEqual([{ room: "lobby", known: { origin: "a", missed: 2 } }]));
    expect(a.router.stats().resumedUncertain).toBe(0);
  });

  it("messages of a server that had not published before are counted, since its numbering is younger than the subscription", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    await a.router.enter("lobby");
    // Make the subscription older by more than the duration of a request, which is the precision of the comparison.
    for (let i = 0; i < 30; i++) await a.router.control("b", { type: "ping" }, { timeoutMs: 10_000 });
    await cut(pair, FIRST);
    await publish(b, "lobby", "1", "2");
    await eventually(() => expect(a.gaps).toEqual([{ room: "lobby", known: { origin: "b", missed: 2 } }]));
    await publish(b, "lobby", "after");
    await eventually(() => expect(textsOf(a)).toEqual(["after"]));
    expect(a.gaps).toHaveLength(1);
  });

  it("members are notified once of an unknown gap if a server only published before the subscription", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    await publish(b, "lobby", "nobody there");
    await a.router.enter("lobby");
    await cut(pair, FIRST);
    await eventually(() => expect(a.gaps).toEqual([{ room: "lobby", known: undefined }]));
    await cut(pair, FIRST, 1);
    await eventually(() => expect(a.router.stats()).toMatchObject({ interruptions: 4, resumedWhole: 3 }));
    expect(a.gaps).toHaveLength(1);
  });

  it("members are notified once of an unknown gap if a server that had published is gone", async () => {
    const pair = await startPair();
    const { a } = pair;
    const c = await pair.start("c");
    await Promise.all([a.router.enter("lobby"), a.router.enter("other")]);
    await publish(c, "lobby", "last words");
    await eventually(() => expect(textsOf(a)).toEqual(["last words"]));
    await end(c);
    await heardSinceNow(a);
    await cut(pair, FIRST);
    await eventually(() => expect(a.router.stats()).toMatchObject({ resumedUncertain: 1, resumedWhole: 2 }));
    expect(a.gaps).toEqual([{ room: "lobby", known: undefined }]);
    await cut(pair, 0, 1);
    await eventually(() => expect(a.router.stats()).toMatchObject({ interruptions: 6, resumedWhole: 5 }));
    expect(a.gaps).toHaveLength(1);
  });

  describe("during which others went", () => {
    interface Cut {
      readonly prefix: string;
      readonly redis: RedisServer;
      /** The interrupted server, in the rooms `lobby` and `quiet`. */
      readonly a: Server;
      readonly start: (id: string) => Promise<Server>;
      readonly resume: () => Promise<void>;
    }

    /** Starts a server whose link is cut, and others whose links are not cut. */
    async function startCut(before: (start: Cut["start"]) => Promise<unknown> = async () => undefined): Promise<Cut> {
      const redis = await startRedis();
      onTestFinished(() => redis.close());
      const proxy = await startFaultProxy(redis.port);
      onTestFinished(() => proxy.close());
      const prefix = freshPrefix();
      const startAt = (id: string, port: number): Promise<Server> =>
        startServer(id, createRedisStore({ url: `redis://127.0.0.1:${port}`, prefix, onError: () => undefined }));
      const start = (id: string): Promise<Server> => startAt(id, redis.port);
      const a = await startAt("a", proxy.port);
      await Promise.all([a.router.enter("lobby"), a.router.enter("quiet"), before(start)]);
      await heardSinceNow(a);
      await proxy.set({ kind: "cut" });
      return { prefix, redis, a, start, resume: () => proxy.set({ kind: "pass" }) };
    }

    const UNCERTAIN = ["lobby", "quiet"].map((room) => ({ room, known: undefined }));
    const byRoom = (x: { room?: string | undefined }, y: { room?: string | undefined }): number =>
      String(x.room).localeCompare(String(y.room));
    const toldTo = (server: Server) => server.gaps.filter(({ room }) => room !== undefined).sort(byRoom);

    it("members are notified of an unknown gap if a server went that had never published before", async () => {
      let c: Server | undefined;
      const { a, resume } = await startCut(async (start) => {
        c = await start("c");
      });
      if (c === undefined) throw new Error("The server was started.");
      await publish(c, "lobby", "last", "words");
      await end(c);
      await resume();
      await eventually(() => expect(toldTo(a)).toEqual(UNCERTAIN));
    });

    it("members are notified of an unknown gap if a server came and went", async () => {
      const { a, start, resume } = await startCut();
      const c = await start("c");
      await publish(c, "lobby", "first", "and", "last");
      await end(c);
      await resume();
      await eventually(() => expect(toldTo(a)).toEqual(UNCERTAIN));
    });

    it("members are notified of an unknown gap if the store forgot the departures", async () => {
      const { a, start, resume, redis, prefix } = await startCut();
      const c = await start("c");
      await publish(c, "lobby", "unheard");
      await end(c);
      expect(await askRedis(redis.port, "DEL", `${prefix}:{servers}.recently-gone`)).toBe(1);
      await start("d");
      await resume();
      await eventually(() => expect(toldTo(a)).toEqual(UNCERTAIN));
    });

    it("members of rooms that missed nothing are not notified if no server went but one came", async () => {
      const { a, start, resume } = await startCut();
      const c = await start("c");
      await publish(c, "lobby", "1", "2");
      await resume();
      await eventually(() => expect(a.router.stats()).toMatchObject({ interruptions: 3, resumedWhole: 2 }));
      expect(toldTo(a)).toEqual([{ room: "lobby", known: { origin: "c", missed: 2 } }]);
    });
  });

  it("members of all rooms are notified of an unknown gap if a living server does not answer", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    const c = await pair.start("c");
    await Promise.all([a.router.enter("lobby"), a.router.enter("quiet")]);
    await publish(b, "lobby", "before");
    await eventually(() => expect(textsOf(a)).toEqual(["before"]));
    // The lease of c is still valid: it may have published while this server was not subscribed.
    await c.router.close();
    await c.store.close();
    await cut(pair, FIRST);
    await publish(b, "lobby", "1");
    // Results of other servers are reported without waiting for c.
    await eventually(() => expect(a.gaps).toEqual([{ room: "lobby", known: { origin: "b", missed: 1 } }]));
    await eventually(() => expect(a.router.stats().resumedUncertain).toBe(3));
    expect(a.gaps.slice(1).map(({ room, known }) => [room, known])).toEqual(
      expect.arrayContaining([
        ["lobby", undefined],
        ["quiet", undefined],
        [undefined, undefined],
      ]),
    );
  });

  it("members are notified of an unknown gap if the registry has lost this server", async () => {
    const pair = await startPair();
    const { a } = pair;
    await a.router.enter("lobby");
    await askRedis(pair.redis.port, "FLUSHALL");
    await cut(pair, FIRST);
    await eventually(() => expect(a.gaps).toContainEqual({ room: "lobby", known: undefined }));
  });

  it("members are notified at once of an unknown gap if the router has no registry", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const store = createRedisStore({ url: redis.url, prefix: freshPrefix(), onError: () => undefined });
    const a = await startServer("a", store, { store: { bus: store.bus, users: store.users } });
    await a.router.enter("lobby");
    await cut({ redis }, FIRST);
    await eventually(() => expect(a.gaps).toContainEqual({ room: "lobby", known: undefined }));
  });

  it("a thousand rooms lead to one question", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    const rooms = Array.from({ length: 1_000 }, (_, i) => `room-${i}`);
    await Promise.all(rooms.map((room) => a.router.enter(room)));
    await Promise.all(rooms.map((room) => publish(b, room, "before")));
    await eventually(() => expect(textsOf(a)).toHaveLength(1_000));
    await cut(pair, FIRST);
    await Promise.all(rooms.slice(0, 400).map((room) => publish(b, room, "lost")));
    await eventually(() => expect(a.router.stats()).toMatchObject({ interruptions: 1_001, resumedWhole: 601 }));
    expect(a.gaps).toHaveLength(400);
    expect(a.router.stats()).toMatchObject({ gaps: 400, missed: 400, resumedUncertain: 0 });
    expect(b.router.stats().received).toBe(1);
  });

  it("gaps among direct messages are reported too", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    await b.router.toServer("a", bytes("before"));
    await eventually(() => expect(a.messages).toHaveLength(1));
    await cut(pair, FIRST);
    expect(await Promise.all([1, 2].map(() => b.router.toServer("a", bytes("lost"))))).toEqual([
      "not-found",
      "not-found",
    ]);
    await eventually(() => expect(a.gaps).toEqual([{ room: undefined, known: { origin: "b", missed: 2 } }]));
  });

  it("direct messages are reported once as uncertain if they were sent only to an earlier server of this id", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    // No server receives the message, but it is numbered.
    expect(await a.router.toServer("late", bytes("too early"))).toBe("not-found");
    const late = await pair.start("late");
    await cut(pair, 2);
    await eventually(() => expect(late.gaps).toEqual([{ room: undefined, known: undefined }]));
    await cut(pair, 2);
    await eventually(() => expect(late.router.stats()).toMatchObject({ interruptions: 2, resumedWhole: 1 }));
    expect([...a.gaps, ...b.gaps, ...late.gaps]).toHaveLength(1);
  });

  it("a dozen servers that are all interrupted at once find out from each other", async () => {
    const pair = await startPair();
    const others = await Promise.all(Array.from({ length: 10 }, (_, i) => pair.start(`s${i}`)));
    const servers = [pair.a, pair.b, ...others];
    const rooms = ["lobby", "quiet"];
    for (const room of rooms) await Promise.all(servers.map((server) => server.router.enter(room)));
    await Promise.all(servers.map((server) => publish(server, "lobby", "before")));
    await eventually(() => {
      for (const server of servers) expect(textsOf(server)).toHaveLength(servers.length);
    });
    await cut(pair, ...servers.keys());
    await Promise.all(servers.map((server) => publish(server, "lobby", "1", "2")));
    await eventually(() => {
      for (const server of servers) {
        const missed = servers.map(({ id }) => missedBy(server, id)).reduce((sum, each) => sum + each, 0);
        expect([server.id, textsOf(server).length + missed]).toEqual([server.id, servers.length * 3]);
        // Three channels were interrupted: those of the two rooms and the server's own.
        expect(server.router.stats()).toMatchObject({ interruptions: 3, resumedUncertain: 0 });
        expect(server.gaps.filter(({ room }) => room !== "lobby")).toEqual([]);
      }
    });
    expect(servers.some((server) => missedBy(server, "a") > 0)).toBe(true);
  });

  it("every message has either arrived or was reported as missing, once, however often it happens while others publish", async () => {
    const pair = await startPair();
    const { a, b } = pair;
    const c = await pair.start("c");
    await Promise.all([a, b, c].map((server) => server.router.enter("lobby")));
    const publishers = [a, b, c];
    const published = new Map(publishers.map(({ id }) => [id, 0]));
    let isDone = false;
    const publishing = publishers.map(async (server) => {
      while (!isDone) {
        const nth = (published.get(server.id) ?? 0) + 1;
        published.set(server.id, nth);
        await publish(server, "lobby", `${server.id} ${nth}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    for (let round = 1; round <= 4; round++) {
      await cut(pair, 0, 1, 2);
      await eventually(() => {
        for (const server of publishers) expect(server.router.stats().interruptions).toBe(2 * round);
      });
    }
    isDone = true;
    await Promise.all(publishing);
    await eventually(() => {
      for (const server of publishers) {
        for (const { id } of publishers) {
          const arrived = textsOf(server).filter((text) => text.startsWith(id)).length;
          expect([server.id, id, arrived + missedBy(server, id)]).toEqual([server.id, id, published.get(id)]);
        }
      }
    });
    expect(missedBy(a, "b")).toBeGreaterThan(0);
    const { resumedUncertain, duplicates } = a.router.stats();
    expect({ resumedUncertain, duplicates }).toEqual({ resumedUncertain: 0, duplicates: 0 });
  });
});

it("in a Cluster, answers arrive, and the number of missed messages is reported exactly", async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const prefix = freshPrefix();
  const [a, b] = await Promise.all(
    ["a", "b"].map((id) => startServer(id, createRedisStore({ url: cluster.url, prefix, onError: () => undefined }))),
  );
  if (a === undefined || b === undefined) throw new Error("Two servers were started.");
  expect(await a.router.toServer("b", bytes("x"), { confirmMs: 10_000 })).toBe("delivered");
  expect(await b.router.control("a", { type: "ping" }, { timeoutMs: 10_000 })).toBe("done");
  expect((await a.router.ask(bytes("?"), { timeoutMs: 10_000 })).missing.length).toBe(2);

  const rooms = Array.from({ length: 30 }, (_, i) => `room-${i}`);
  await Promise.all(rooms.map((room) => a.router.enter(room)));
  await Promise.all(rooms.map((room) => publish(b, room, "before")));
  await eventually(() => expect(textsOf(a)).toHaveLength(30));
  for (const port of cluster.ports) await askRedis(port, "CLIENT", "KILL", "TYPE", "pubsub");
  await Promise.all(rooms.map((room) => publish(b, room, "1", "2")));
  await eventually(() => {
    const { interruptions } = a.router.stats();
    expect(interruptions).toBeGreaterThanOrEqual(rooms.length);
    expect(textsOf(a).length + missedBy(a, "b")).toBe(90);
  });
  expect(missedBy(a, "b")).toBeGreaterThan(0);
  expect(a.router.stats().resumedUncertain).toBe(0);
});
