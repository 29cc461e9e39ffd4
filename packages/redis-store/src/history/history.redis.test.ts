import type { HistoryPosition } from "@cm/protocol";
import { askRedis, freshPrefix, keysUnder, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { bringUp, connect, outcomeOf, portOf, startStore } from "../redis-store.fixture.js";

const url = inject("redisUrl");

function append(
  { bus: { history } }: RedisStore,
  sequence: number,
  text = "x",
  origin = "gw-1",
  room = "lobby",
): Promise<HistoryPosition> {
  if (history === undefined) throw new Error("The store keeps no history.");
  const sender = { origin, epoch: 7, sequence };
  return history.append(room, { before: Buffer.from("{"), after: Buffer.from(`"text":"${text}"}`), sender });
}

it("keeps the position of a history for a day longer than its messages, and nothing for good", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, historyTtlMs: 1_000 });
  const first = await append(store, 1);
  const ttlOf = async (part: string) => {
    const key = (await keysUnder(url, prefix)).find((name) => name.includes(part)) ?? "";
    return Number(await askRedis(portOf(url), "PTTL", key));
  };
  expect(await ttlOf(":history:")).toBeLessThanOrEqual(1_000);
  expect(await ttlOf(":sender:")).toBeLessThanOrEqual(1_000);
  expect(await ttlOf(":place:")).toBeGreaterThan(80_000_000);
  await expect.poll(async () => (await keysUnder(url, prefix)).filter((key) => /history|sender/.test(key))).toEqual([]);
  const before = { ...first, offset: 0 };
  expect(await store.bus.history?.since("lobby", first, 10)).toEqual({ top: first, complete: true, entries: [] });
  expect(await store.bus.history?.since("lobby", before, 10)).toEqual({ top: first, complete: false, entries: [] });
  expect(await append(store, 2)).toEqual({ ...first, offset: 2 });
  expect(await store.bus.history?.since("lobby", before, 10)).toMatchObject({
    complete: false,
    entries: [{ offset: 2 }],
  });
});

it("drops expired messages in a room that is never silent", async () => {
  const prefix = freshPrefix();
  const store = await startStore({ url, prefix, historyTtlMs: 1_000 });
  const { epoch } = await append(store, 1);
  let sequence = 1;
  const oldest = async () => {
    await append(store, ++sequence);
    return (await store.bus.history?.since("lobby", { epoch, offset: 0 }, 1))?.entries[0]?.offset;
  };
  await expect.poll(oldest, { timeout: 5_000, interval: 100 }).toBeGreaterThan(1);
});

it("begins another history under another epoch if its data was lost, in whole or in part", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = await startStore({ url: redis.url, prefix });
  const first = await append(store, 1, "lost");
  await askRedis(redis.port, "FLUSHALL");
  const second = await append(store, 2);
  expect(second.offset).toBe(1);
  expect(second.epoch).not.toBe(first.epoch);
  expect(await store.bus.history?.since("lobby", first, 10)).toEqual({ top: second, complete: false, entries: [] });

  // Delete first the messages but not the position, and then the position but not the messages.
  const keyOf = async (part: string) => (await keysUnder(redis.url, prefix)).find((key) => key.includes(part)) ?? "";
  await askRedis(redis.port, "DEL", await keyOf(":history:"));
  expect(await store.bus.history?.since("lobby", { ...second, offset: 0 }, 10)).toMatchObject({ complete: false });
  const third = await append(store, 3);
  expect(third).toEqual({ ...second, offset: 2 });
  await askRedis(redis.port, "DEL", await keyOf(":place:"));
  const fourth = await append(store, 4, "new");
  expect(fourth.offset).toBe(1);
  const { entries = [] } = (await store.bus.history?.since("lobby", { ...fourth, offset: 0 }, 10)) ?? {};
  expect(entries.map(({ message }) => String(message))).toEqual([`{"epoch":${fourth.epoch},"offset":1,"text":"new"}`]);
});

it("notices that a room lost its latest messages, though 10,000 other rooms have got one since", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = await startStore({ url: redis.url, prefix });
  const first = await append(store, 1);
  const keys = await keysUnder(redis.url, prefix);
  const ofRoom = keys.filter((key) => /:(history|place|sender):/.test(key));
  expect(ofRoom).toHaveLength(3);
  for (const key of ofRoom) await askRedis(redis.port, "COPY", key, `${key}.kept`);
  await append(store, 2);
  for (let i = 0; i < 10_000; i += 500) {
    const others = Array.from({ length: 500 }, (_, n) => `room-${i + n}`);
    await Promise.all(others.map((room) => append(store, 1, "x", "gw-1", room)));
    if (i === 5_000) await append(store, 3);
  }
  for (const key of ofRoom) await askRedis(redis.port, "COPY", `${key}.kept`, key, "REPLACE");
  const next = await append(store, 4);
  expect(next.offset).toBe(1);
  expect(next.epoch).not.toBe(first.epoch);
});

it("stores each of a storm of messages once, while the scripts are flushed again and again", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const store = await startStore({ url: redis.url });
  const flushes: Promise<unknown>[] = [];
  const sent: Promise<HistoryPosition>[] = [];
  for (let sequence = 1; sequence <= 400; sequence++) {
    if (sequence % 40 === 0) flushes.push(askRedis(redis.port, "SCRIPT", "FLUSH"));
    sent.push(append(store, sequence));
    if (sequence % 7 === 0) await new Promise(setImmediate);
  }
  const offsets = (await Promise.all([...sent])).map(({ offset }) => offset);
  await Promise.all(flushes);
  expect(new Set(offsets).size).toBe(400);
  expect(Math.max(...offsets)).toBe(400);
});

it("keeps each publisher's order from the first message on, though many are under way when others make the script known", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  for (let trial = 0; trial < 5; trial++) {
    await askRedis(redis.port, "SCRIPT", "FLUSH");
    const prefix = freshPrefix();
    const stores = await Promise.all([1, 2, 3].map(() => startStore({ url: redis.url, prefix })));
    const answers = await Promise.all(
      stores.flatMap((store, i) => Array.from({ length: 300 }, (_, n) => append(store, n + 1, `${i} ${n}`, `gw-${i}`))),
    );
    for (let i = 0; i < 3; i++) {
      const offsets = answers.slice(300 * i, 300 * (i + 1)).map(({ offset }) => offset);
      expect(offsets).toEqual([...offsets].sort((x, y) => x - y));
    }
    expect(new Set(answers.map(({ offset }) => offset)).size).toBe(900);
  }
});

it("fails at once if Redis is gone, and names the key if it holds foreign data", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = await startStore({ url: redis.url, prefix });
  await append(store, 1);
  const key = (await keysUnder(redis.url, prefix)).find((name) => name.includes(":history:")) ?? "";
  await askRedis(redis.port, "SET", key, "x");
  expect(await outcomeOf(append(store, 2))).toBe("store-corrupt");
  await redis.close();
  await expect.poll(() => store.link.state).toBe("down");
  const askedAt = performance.now();
  expect(await outcomeOf(append(store, 3))).toBe("unavailable");
  expect(performance.now() - askedAt).toBeLessThan(500);
});

it.each<[string, readonly string[], readonly string[]]>([
  ["publish", ["ACL", "SETUSER", "default", "-publish"], ["ACL", "SETUSER", "default", "+publish"]],
  ["store", ["ACL", "SETUSER", "default", "-rpush"], ["ACL", "SETUSER", "default", "+rpush"]],
  ["take memory", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
])("neither stores nor publishes anything where Redis does not let it %s", async (_, forbid, allow) => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = await startStore({ url: redis.url, prefix });
  const { history } = store.bus;
  if (history === undefined) throw new Error("The store keeps no history.");
  const heard: string[] = [];
  await store.bus.subscribe({ kind: "room", name: "lobby" }, (message) => heard.push(Buffer.from(message).toString()));
  const first = await append(store, 1, "1");
  const contents = async () => {
    const keys = (await keysUnder(redis.url, prefix)).filter((key) => /:(history|place|sender):/.test(key)).sort();
    return Promise.all(keys.map((key) => askRedis(redis.port, "DUMP", key)));
  };
  const before = await contents();
  await askRedis(redis.port, ...forbid);
  for (let sequence = 2; sequence <= 4; sequence++) {
    expect(await outcomeOf(append(store, sequence))).toBe("unavailable");
    const draft = { before: Buffer.from("{"), after: Buffer.from('"text":"none"}') };
    const isRestartable = forbid.includes("-rpush");
    if (!isRestartable)
      expect(await outcomeOf(history.restart("lobby", { ...first, offset: 9 }, draft))).toBe("unavailable");
    // This room has no history yet.
    const sender = { origin: "gw-1", epoch: 7, sequence };
    expect(await outcomeOf(history.append("hall", { ...draft, sender }))).toBe("unavailable");
  }
  expect(await contents()).toEqual(before);
  const refused = forbid.at(-1)?.startsWith("-") ? `the permission for the command ${forbid.at(-1)?.slice(1)}` : "OOM";
  await expect(append(store, 4)).rejects.toMatchObject({ message: expect.stringContaining(refused) });
  await askRedis(redis.port, ...allow);
  const last = await append(store, 5, "5");
  await expect.poll(() => heard.at(-1)).toContain('"text":"5"');
  expect(heard).toHaveLength(2);
  expect(last).toEqual({ ...first, offset: 2 });
  const { entries } = await history.since("lobby", { ...last, offset: 0 }, 10);
  expect(entries.map(({ message }) => String(message))).toEqual(heard);
});

it("gives places in rooms, connections and leases back if memory is full", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const prefix = freshPrefix();
  const store = await startStore({ url: redis.url, prefix });
  const server = await bringUp(store, "gw-1");
  const connection = await connect(store, server, "ann", ["lobby"]);
  await store.rooms.enableAnnouncements("lobby", 60_000);
  await askRedis(redis.port, "CONFIG", "SET", "maxmemory", "1");
  expect(await outcomeOf(connect(store, server, "bob", ["lobby"]))).toBe("unavailable");
  const { connectionId } = connection;
  await store.rooms.leave(server.lease, "lobby", [connection], "left");
  await store.users.remove(server.lease, [connection], { graceMs: 0 });
  await store.connections.remove(server.lease, [connectionId]);
  await store.servers.unregister(server.lease);
  await askRedis(redis.port, "CONFIG", "SET", "maxmemory", "0");
  expect(await store.rooms.count("lobby")).toBe(0);
  expect(await store.counts.of("users")).toBe(0);
  expect((await store.servers.snapshot()).living).toEqual([]);
});
