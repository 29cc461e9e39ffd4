import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { describe, expect, inject, it } from "vitest";
import { type Server, startServer } from "../router.fixture.js";
import {
  cutAll,
  LIMIT,
  numbersOf,
  publish,
  RECOVERABLE,
  remember,
  setUpRecovery,
  UNKNOWN,
  upTo,
} from "./recoverable-rooms.fixture.js";
import type { RecoveryLimit } from "./room-recovery.js";

describe("a recoverable room", () => {
  it("gives every member every message once and in order, though subscribers are killed while 1,000 are published", async () => {
    const setup = await setUpRecovery();
    const servers = await Promise.all(["a", "b", "c"].map((id) => setup.start(id)));
    const [a, b] = servers;
    if (a === undefined || b === undefined) throw new Error("Three were started.");
    await Promise.all(servers.map(({ router }) => router.enter("lobby")));
    for (let batch = 0; batch < 20; batch++) {
      if (batch % 4 === 1) await cutAll(setup);
      await publish(batch % 2 === 0 ? a : b, upTo(50, batch * 50 + 1));
    }
    for (const server of servers) {
      await eventually(() => expect(server.sockets.rooms).toHaveLength(1_000));
      expect(numbersOf(server)).toEqual(upTo(1_000));
      expect(server.gaps.filter(({ room }) => room !== undefined)).toEqual([]);
    }
    // The missing messages came from the history.
    expect(servers.map(({ router }) => router.stats().filled).reduce((sum, n) => sum + n)).toBeGreaterThan(0);
  });

  it("reports how many are missing if its history is too short", async () => {
    const setup = await setUpRecovery({ historyMaxMessages: 10 });
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby")]);
    await publish(b, [1]);
    await eventually(() => expect(numbersOf(a)).toEqual([1]));
    await cutAll(setup);
    await publish(b, upTo(999, 2));
    await eventually(() => expect(numbersOf(a).at(-1)).toBe(1_000));
    const got = numbersOf(a);
    expect(got).toEqual([...new Set(got)].sort((x, y) => x - y));
    const reported = a.gaps.reduce((sum, { room, known }) => sum + (room === "lobby" ? (known?.missed ?? 0) : 0), 0);
    expect(reported).toBe(1_000 - got.length);
    expect(reported).toBeGreaterThan(0);
  });

  it("fills what an interruption cost without waiting for the next message", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await cutAll(setup);
    await publish(b, [1, 2, 3]);
    await eventually(() => expect(numbersOf(a)).toEqual([1, 2, 3]));
    await eventually(() => expect(a.router.stats()).toMatchObject({ gaps: 0, resumedWhole: 2 }));
  });

  it("notifies its members if the history was lost in an interruption, and continues under another epoch", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await publish(b, [1, 2]);
    await eventually(() => expect(numbersOf(a)).toEqual([1, 2]));
    const before = a.router.positionOf("lobby");
    await askRedis(setup.redis.port, "FLUSHALL");
    await cutAll(setup);
    await publish(b, [3, 4]);
    await eventually(() => expect(numbersOf(a)).toEqual([1, 2, 3, 4]));
    expect(a.gaps.filter(({ room }) => room === "lobby")).toEqual([{ room: "lobby", known: undefined }]);
    const after = a.router.positionOf("lobby");
    expect(after?.epoch).not.toBe(before?.epoch);
    expect(after?.offset).toBe(2);
  });

  it("loses nothing, and reports nothing, if the history is lost but the channel is intact", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    for (const n of upTo(40)) {
      if (n % 8 === 0) await askRedis(setup.redis.port, "FLUSHALL");
      await publish(b, [n]);
    }
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(40)));
    expect(a.gaps).toEqual([]);
  });

  it.each([
    ["its position", /:place:/],
    ["its messages", /:history:/],
    ["what came of its publishers", /:sender:/],
    ["all of them", /:(history|setup|sender):/],
  ])("delivers every live message, with few reads, while Redis evicts %s repeatedly", async (_, evicted) => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await publish(b, [1]);
    const keys = (await keysUnder(setup.redis.url, setup.prefix)).filter((key) => evicted.test(key));
    expect(keys).not.toEqual([]);
    let isEvicting = true;
    let n = 1;
    const evicting = (async () => {
      // Delete the keys at any time, not only between messages.
      while (isEvicting) await askRedis(setup.redis.port, "DEL", ...keys);
    })();
    while (n < 300) {
      n++;
      await publish(b, [n]);
      if (n % 3 === 0) await new Promise(setImmediate);
    }
    await eventually(() => expect(numbersOf(a)).toHaveLength(n));
    isEvicting = false;
    await evicting;
    expect(numbersOf(a)).toEqual(upTo(n));
    const info = String(await askRedis(setup.redis.port, "INFO", "commandstats"));
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
    expect(calls).toBeLessThan(2 * n);
    await publish(b, [n + 1]);
    await eventually(() => expect(numbersOf(a).at(-1)).toBe(n + 1));
  });

  it("begins another epoch if Redis was set back behind received messages, and treats no new message as a duplicate", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await publish(b, upTo(10));
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(10)));
    const keys = await keysUnder(setup.redis.url, setup.prefix);
    // Set the state back to that of an old snapshot or a lagging replica.
    await askRedis(setup.redis.port, "HSET", keys.find((key) => key.includes(":place:")) ?? "", "offset", "5");
    await askRedis(setup.redis.port, "LTRIM", keys.find((key) => key.includes(":history:")) ?? "", "0", "4");
    await cutAll(setup);
    await eventually(() => expect(a.gaps).toContainEqual({ room: "lobby", known: undefined }));
    await publish(b, [11, 12]);
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(12)));
  });

  it("notifies all servers, whatever they had received, if Redis was set back and has assigned offsets again", async () => {
    const setup = await setUpRecovery();
    const [a, b, c] = [await setup.start("a"), await setup.start("b"), await setup.start("c")];
    await a.router.enter("lobby");
    await publish(b, upTo(10));
    const setBack = await remember(setup);
    await publish(b, upTo(5, 11));
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(15)));
    await setBack();
    // A server that starts only now sees a complete history, as if it had been disconnected during the
    // set-back.
    const late = await setup.start("late");
    await late.router.enter("lobby");
    await cutAll(setup);
    await publish(c, upTo(6, 16));
    for (const server of [a, late]) await eventually(() => expect(server.gaps).toContainEqual(UNKNOWN));
    await publish(c, [30, 31]);
    for (const server of [a, late]) await eventually(() => expect(numbersOf(server).slice(-2)).toEqual([30, 31]));
    expect(numbersOf(a).slice(0, 15)).toEqual(upTo(15));
    // Before the new epoch began, `late` received some of the messages 16 to 21, under reused offsets.
    expect(upTo(6, 16)).toEqual(expect.arrayContaining(numbersOf(late).slice(0, -2)));
  });

  it("looks once more when the link is proven: what it read before may have been of a master that was replaced", async () => {
    const setup = await setUpRecovery();
    const link = createRedisStore({ url: setup.redis.url, prefix: setup.prefix, onError: () => undefined });
    const [b, c] = [await setup.start("b"), await setup.start("c")];
    const { bus } = link;
    const { history } = bus;
    if (history === undefined) throw new Error("This store keeps histories.");
    let heard = 0;
    let [isDeaf, resumed, proven] = [false, (_sinceMs: number): void => undefined, (): void => undefined];
    const a = await startServer("a", link, {
      ...RECOVERABLE,
      store: {
        ...link,
        bus: {
          publish: (channel, message) => bus.publish(channel, message),
          subscribe: (channel, handler, onResumed) => {
            if (channel.kind === "room") resumed = (sinceMs) => onResumed?.(sinceMs);
            return bus.subscribe(
              channel,
              (message) => {
                if (channel.kind === "room") heard++;
                if (!isDeaf) handler(message);
              },
              onResumed,
            );
          },
          history: {
            append: (room, draft) => history.append(room, draft),
            since: (room, from, limit) => history.since(room, from, limit),
            restart: (room, reached, notice) => history.restart(room, reached, notice),
            link: {
              onState: (listener) => {
                proven = () => listener("in-sync");
                return () => undefined;
              },
            },
          },
        },
      },
    });
    await a.router.enter("lobby");
    await publish(b, upTo(10));
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(10)));
    const setBack = await remember(setup);
    // Server a is cut off, and reads the history of the old master.
    isDeaf = true;
    await publish(b, upTo(5, 11));
    await eventually(() => expect(heard).toBe(15));
    resumed(1_000);
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(15)));
    // Set the history back before a receives the new messages, which reuse the same offsets and go beyond them.
    await setBack();
    await publish(c, upTo(5, 16));
    await eventually(() => expect(heard).toBe(20));
    isDeaf = false;
    await publish(c, [30]);
    await eventually(() => expect(numbersOf(a)).toEqual([...upTo(15), 30]));
    expect(a.gaps).toEqual([]);
    proven();
    await eventually(() => expect(a.gaps).toEqual([UNKNOWN]));
  });

  it("notices offsets that are given again though nothing was interrupted", async () => {
    const setup = await setUpRecovery();
    const [a, b, c] = [await setup.start("a"), await setup.start("b"), await setup.start("c")];
    await a.router.enter("lobby");
    await publish(b, upTo(10));
    const setBack = await remember(setup);
    await publish(b, upTo(5, 11));
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(15)));
    await setBack();
    await publish(c, [16]);
    await eventually(() => expect(a.gaps).toContainEqual(UNKNOWN));
    await publish(c, [17, 18]);
    await eventually(() => expect(numbersOf(a)).toEqual([...upTo(15), 17, 18]));
  });

  it("notifies members of messages that were acknowledged, received by no server, and lost", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await publish(b, [1]);
    const setBack = await remember(setup);
    await publish(b, [2, 3]);
    await setBack();
    await a.router.enter("lobby");
    await publish(b, [4]);
    await eventually(() => expect(numbersOf(a)).toEqual([4]));
    expect(a.gaps).toEqual([UNKNOWN]);
    await publish(b, [5]);
    await eventually(() => expect(numbersOf(a)).toEqual([4, 5]));
    expect(a.gaps).toEqual([UNKNOWN]);
  });

  it.each([
    ["fall silent", 0],
    ["go on and give its offset again", 1],
    ["go on past it", 3],
  ])("notifies members once of a lost message whose publisher falls silent, while others %s", async (_, others) => {
    const setup = await setUpRecovery();
    const link = createRedisStore({ url: setup.redis.url, prefix: setup.prefix, onError: () => undefined });
    const { bus } = link;
    let isDeaf = false;
    // Server a ignores messages, as if it were cut off before the others.
    const subscribe: typeof bus.subscribe = (channel, handler, onResumed) =>
      bus.subscribe(channel, (message) => isDeaf || handler(message), onResumed);
    const a = await startServer("a", link, { ...RECOVERABLE, store: { ...link, bus: { ...bus, subscribe } } });
    const [b, c] = [await setup.start("b"), await setup.start("c")];
    await a.router.enter("lobby");
    await publish(b, [1]);
    await eventually(() => expect(numbersOf(a)).toEqual([1]));
    const setBack = await remember(setup);
    isDeaf = true;
    await publish(b, [2]);
    await setBack();
    isDeaf = false;
    await publish(c, upTo(others, 3));
    await eventually(() => expect(numbersOf(a)).toEqual([1, ...upTo(others, 3)]));
    expect(a.gaps).toEqual([]);
    await cutAll(setup);
    await eventually(() => expect(a.gaps).toContainEqual(UNKNOWN));
    await publish(c, [10, 11]);
    await eventually(() => expect(numbersOf(a)).toEqual([1, ...upTo(others, 3), 10, 11]));
    expect(a.gaps.filter(({ room }) => room === "lobby")).toEqual([UNKNOWN]);
  });

  it("does not treat a history as set back because its messages expired", async () => {
    const setup = await setUpRecovery({ historyTtlMs: 1_000 });
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await publish(b, [1, 2]);
    await eventually(async () =>
      expect((await keysUnder(setup.redis.url, setup.prefix)).filter((key) => /:(history|sender):/.test(key))).toEqual(
        [],
      ),
    );
    await publish(b, [3]);
    await cutAll(setup);
    await publish(b, [4]);
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(4)));
    expect(a.gaps.filter(({ room }) => room === "lobby")).toEqual([]);
  });

  it("works the same in a Cluster", async () => {
    const prefix = freshPrefix();
    const start = (id: string): Promise<Server> => {
      const store = createRedisStore({ url: inject("redisClusterUrl"), prefix, onError: () => undefined });
      return startServer(id, store, RECOVERABLE);
    };
    const [a, b] = [await start("a"), await start("b")];
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby")]);
    await Promise.all([publish(a, upTo(100)), publish(b, upTo(100, 101))]);
    for (const server of [a, b]) await eventually(() => expect(server.sockets.rooms).toHaveLength(200));
    expect(numbersOf(a)).toEqual(numbersOf(b));
    expect(numbersOf(a).filter((n) => n <= 100)).toEqual(upTo(100));
  });

  it("costs one command a message, and as many for each server", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await Promise.all([a.router.enter("lobby"), b.router.enter("lobby")]);
    await publish(b, [1]);
    const callsOf = async () => {
      const info = String(await askRedis(setup.redis.port, "INFO", "commandstats"));
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    const before = await callsOf();
    await publish(b, upTo(100, 2));
    await eventually(() => expect(numbersOf(a)).toHaveLength(101));
    expect(await callsOf()).toBe(before + 100);
  });
});

describe("a client that resumes in a recoverable room", () => {
  it("gets every message once, whenever that is in a stream of them", async () => {
    const setup = await setUpRecovery();
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    const begin = a.router.positionOf("lobby");
    if (begin === undefined) throw new Error("The room is recoverable.");
    let n = 0;
    const publishing = (async () => {
      while (n < 600) {
        await publish(b, upTo(10, n + 1));
        n += 10;
      }
    })();
    const comers: { readonly from: number; readonly got: string[]; readonly liveFrom: number }[] = [];
    while (n < 600) {
      const from = Math.max(0, (a.router.positionOf("lobby")?.offset ?? 0) - 37);
      await a.router.recover("lobby", { ...begin, offset: from }, LIMIT, ({ recovered, frames }) => {
        expect(recovered).toBe(true);
        // Later messages go to the sockets.
        const got = frames.map((bytes) => Buffer.from(bytes).toString());
        comers.push({ from, got, liveFrom: a.sockets.rooms.length });
      });
    }
    await publishing;
    await eventually(() => expect(a.sockets.rooms).toHaveLength(n));
    expect(comers.length).toBeGreaterThan(10);
    for (const { from, got, liveFrom } of comers) {
      const all = [...got, ...a.sockets.rooms.slice(liveFrom).map(({ text }) => text)];
      expect(all.map((text) => (JSON.parse(text) as { n: number }).n)).toEqual(upTo(n - from, from + 1)); // Own frames.
    }
  });

  it("is notified if messages can't be recovered: too many, too old, another epoch, never reached", async () => {
    const setup = await setUpRecovery({ historyMaxMessages: 20 });
    const [a, b] = [await setup.start("a"), await setup.start("b")];
    await a.router.enter("lobby");
    await publish(b, upTo(50));
    await eventually(() => expect(a.sockets.rooms).toHaveLength(50));
    const { epoch = 0 } = a.router.positionOf("lobby") ?? {};
    const recover = async (from: { epoch: number; offset: number }, limit: Partial<RecoveryLimit> = {}) => {
      const taken: (number | boolean)[] = [];
      await a.router.recover("lobby", from, { ...LIMIT, ...limit }, ({ recovered, frames, position }) => {
        taken.push(recovered, frames.length, position.offset);
      });
      return taken;
    };
    expect(await recover({ epoch, offset: 30 })).toEqual([true, 20, 50]);
    expect(await recover({ epoch, offset: 50 })).toEqual([true, 0, 50]);
    expect(await recover({ epoch, offset: 45 }, { maxMessages: 5 })).toEqual([true, 5, 50]);
    expect(await recover({ epoch, offset: 44 }, { maxMessages: 5 })).toEqual([false, 0, 50]);
    const { length } = a.sockets.rooms[49]?.text ?? "";
    expect(await recover({ epoch, offset: 48 }, { maxBytes: 2 * length })).toEqual([true, 2, 50]);
    expect(await recover({ epoch, offset: 48 }, { maxBytes: 2 * length - 1 })).toEqual([false, 0, 50]);
    expect(await recover({ epoch, offset: 29 })).toEqual([false, 0, 50]);
    expect(await recover({ epoch, offset: 51 })).toEqual([false, 0, 50]);
    expect(await recover({ epoch: epoch === 7 ? 8 : 7, offset: 40 })).toEqual([false, 0, 50]);
  });
});
