import { setTimeout as sleep } from "node:timers/promises";
import { eventually, promotedBytesPerStep, startFaultProxy } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, inject, it, onTestFinished } from "vitest";
import type { RedisStore } from "../index.js";
import { outcomeOf, startStore } from "../redis-store.fixture.js";
import { decodeBatch } from "./message-batch.js";

const LOBBY = { kind: "room", name: "lobby" } as const;
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`);

/** Records the messages of Redis on the channels of rooms, which may hold several messages of the bus. */
async function recordRooms(prefix: string): Promise<{ readonly room: string; readonly bytes: Buffer }[]> {
  const redis = new Redis(inject("redisUrl"));
  onTestFinished(() => redis.disconnect());
  const seen: { room: string; bytes: Buffer }[] = [];
  redis.on("pmessageBuffer", (_, channel: Buffer, bytes: Buffer) => {
    seen.push({ room: String(channel).replace(/^.*:room:/, ""), bytes });
  });
  await redis.psubscribe(`${prefix}:*:room:*`);
  return seen;
}

async function collect(store: RedisStore, room: string): Promise<string[]> {
  const seen: string[] = [];
  await store.bus.subscribe({ kind: "room", name: room }, (message) => seen.push(Buffer.from(message).toString()));
  return seen;
}

let prefixes = 0;
const nextPrefix = (): string => `turn-${process.pid}-${prefixes++}`;

it("sends 20 messages of one turn to one room as one message of Redis, and a message alone as it is", async () => {
  const prefix = nextPrefix();
  const url = inject("redisUrl");
  const [store, other] = await Promise.all([startStore({ url, prefix }), startStore({ url, prefix })]);
  const seen = await Promise.all([store, other].map((each) => collect(each, "lobby")));
  const sent = await recordRooms(prefix);
  const outcomes = await Promise.all(texts(20).map((text) => store.bus.publish(LOBBY, Buffer.from(text))));
  // The three subscribers are two stores and the recorder.
  expect(outcomes).toEqual(texts(20).map(() => ({ subscribers: 3 })));
  await store.bus.publish(LOBBY, Buffer.from("alone"));
  await eventually(() =>
    expect(seen).toEqual([
      [...texts(20), "alone"],
      [...texts(20), "alone"],
    ]),
  );
  await eventually(() => expect(sent).toHaveLength(2));
  expect(decodeBatch(sent[0]?.bytes ?? Buffer.alloc(0))?.map(String)).toEqual(texts(20));
  expect(String(sent[1]?.bytes)).toBe("alone");
});

it("sends the messages of one turn to three rooms as three messages of Redis", async () => {
  const prefix = nextPrefix();
  const store = await startStore({ url: inject("redisUrl"), prefix });
  const rooms = ["a", "b", "c"];
  const seen = await Promise.all(rooms.map((room) => collect(store, room)));
  const sent = await recordRooms(prefix);
  await Promise.all(
    texts(30).map((text, i) =>
      store.bus.publish({ kind: "room", name: rooms[i % 3] ?? "" }, Buffer.from(`${rooms[i % 3]} ${text}`)),
    ),
  );
  await eventually(() => expect(seen.map(({ length }) => length)).toEqual([10, 10, 10]));
  seen.forEach((messages, room) => {
    expect(messages).toEqual(texts(30).flatMap((text, i) => (i % 3 === room ? [`${rooms[room]} ${text}`] : [])));
  });
  await eventually(() => expect(sent.map(({ room }) => room)).toEqual(rooms));
});

it("splits what is too large for one message of Redis, and keeps the order", async () => {
  const prefix = nextPrefix();
  const store = await startStore({ url: inject("redisUrl"), prefix });
  const seen = await collect(store, "lobby");
  const sent = await recordRooms(prefix);
  const messages = texts(300).map((text, i) => (i === 150 ? text.padEnd(2_000_000) : text.padEnd(500)));
  await Promise.all(messages.map((text) => store.bus.publish(LOBBY, Buffer.from(text))));
  await eventually(() => expect(seen).toHaveLength(300));
  expect(seen.every((text, i) => text === messages[i])).toBe(true);
  // A batch of at most 65,536 bytes holds 131 messages of 500 bytes.
  const counts = (): readonly number[] => sent.map(({ bytes }) => decodeBatch(bytes)?.length ?? 1);
  await eventually(() => expect(counts()).toEqual([131, 19, 1, 131, 18]));
  expect(Math.max(...sent.map(({ bytes }) => bytes.length))).toBe(2_000_000);

  await Promise.all(texts(600).map(() => store.bus.publish(LOBBY, Buffer.alloc(1))));
  await eventually(() => expect(sent.slice(5).map(({ bytes }) => decodeBatch(bytes)?.length)).toEqual([256, 256, 88]));
});

it("tells every publish of a turn timeout where Redis hangs, and unavailable where nothing was written", async () => {
  const redis = await startFaultProxy(Number(new URL(inject("redisUrl")).port));
  onTestFinished(() => redis.close());
  const store = await startStore({ url: `redis://127.0.0.1:${redis.port}`, commandTimeoutMs: 300 });
  const publishAll = (): Promise<string[]> =>
    Promise.all(texts(5).map((text) => outcomeOf(store.bus.publish(LOBBY, Buffer.from(text)))));
  await redis.set({ kind: "hang" });
  expect(await publishAll()).toEqual(texts(5).map(() => "timeout"));
  await redis.set({ kind: "cut" });
  await eventually(() => expect(store.link.state).toBe("down"));
  expect(await publishAll()).toEqual(texts(5).map(() => "unavailable"));
});

it("passes bytes that only begin like a batch to the subscriber once, as they are", async () => {
  const prefix = nextPrefix();
  const store = await startStore({ url: inject("redisUrl"), prefix });
  const seen: string[] = [];
  await store.bus.subscribe(LOBBY, (message) => seen.push(Buffer.from(message).toString("hex")));
  const stranger = new Redis(inject("redisUrl"));
  onTestFinished(() => stranger.disconnect());
  const [channel = ""] = (await stranger.pubsub("CHANNELS", `${prefix}:*:room:lobby`)) as string[];
  for (const bytes of ["c4", "c401", "c402", "c40100000002aa", "c40100000001aa00"]) {
    await stranger.publish(channel, Buffer.from(bytes, "hex"));
  }
  await stranger.publish(channel, Buffer.from("c40100000001aa00000000", "hex"));
  await eventually(() => expect(seen).toEqual(["c4", "c401", "c402", "c40100000002aa", "c40100000001aa00", "aa", ""]));
});

it("sends what waits when the store is closed in the same turn", async () => {
  const prefix = nextPrefix();
  const url = inject("redisUrl");
  const [store, other] = await Promise.all([startStore({ url, prefix }), startStore({ url, prefix })]);
  const seen = await collect(other, "lobby");
  const outcomes = texts(3).map((text) => outcomeOf(store.bus.publish(LOBBY, Buffer.from(text))));
  await store.close();
  // Each publish settles; those that Redis has answered are done.
  for (const outcome of await Promise.all(outcomes)) expect(["done", "closed", "timeout"]).toContain(outcome);
  await eventually(() => expect(seen).toEqual(texts(3)));
});

/**
 * Publishes `count` messages to each room, `everyMs` apart, in turns of their own. Resolves with the outcomes' times.
 */
async function publishSteadily(
  store: RedisStore,
  rooms: readonly string[],
  { count, everyMs }: { readonly count: number; readonly everyMs: number },
): Promise<void> {
  const outcomes: Promise<unknown>[] = [];
  const channels = rooms.map((name) => ({ kind: "room", name }) as const);
  for (let i = 0; i < count; i++) {
    for (const channel of channels) {
      outcomes.push(store.bus.publish(channel, Buffer.from(`message ${i}`)));
      await sleep(everyMs);
    }
  }
  await Promise.all(outcomes);
}

it("sends messages to busy rooms together, and each in order", async () => {
  const prefix = nextPrefix();
  const url = inject("redisUrl");
  const store = await startStore({ url, prefix, publishWindowMs: 20 });
  const rooms = ["a", "b"];
  const seen = await Promise.all(rooms.map((room) => collect(store, room)));
  const sent = await recordRooms(prefix);
  await publishSteadily(store, rooms, { count: 200, everyMs: 2 });
  await eventually(() => expect(seen).toEqual([texts(200), texts(200)]));
  // At first, neither room counts as busy; afterwards a window of 20 ms has messages of several turns.
  expect(sent.length).toBeLessThan(200);
});

it.each([
  { why: "the room is calm", publishWindowMs: 100, everyMs: 20 },
  { why: "there is no window", publishWindowMs: 0, everyMs: 2 },
])("sends each message alone if $why", async ({ publishWindowMs, everyMs }) => {
  const prefix = nextPrefix();
  const store = await startStore({ url: inject("redisUrl"), prefix, publishWindowMs });
  const sent = await recordRooms(prefix);
  await publishSteadily(store, ["lobby"], { count: 60, everyMs });
  await eventually(() => expect(sent.map(({ bytes }) => String(bytes))).toEqual(texts(60)));
});

it("ends the wait of a busy room's messages with any other message", async () => {
  const store = await startStore({ url: inject("redisUrl"), prefix: nextPrefix(), publishWindowMs: 100 });
  await publishSteadily(store, ["busy"], { count: 60, everyMs: 2 });
  for (const channel of [
    { kind: "room", name: "calm" },
    { kind: "server", name: "server" },
  ] as const) {
    let isSent = false;
    const busy = store.bus.publish({ kind: "room", name: "busy" }, Buffer.from("waits")).then(() => {
      isSent = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    await store.bus.publish(channel, Buffer.from("does not wait"));
    expect(isSent).toBe(true);
    await busy;
  }
});

it("does not slow down a publisher that awaits each of its messages", async () => {
  const store = await startStore({ url: inject("redisUrl"), prefix: nextPrefix(), publishWindowMs: 100 });
  const seen = await collect(store, "lobby");
  // If each waited for its window, this would take 200 s.
  for (const text of texts(2_000)) await store.bus.publish(LOBBY, Buffer.from(text));
  await eventually(() => expect(seen).toEqual(texts(2_000)));
});

it("sends what waits when it is closed", async () => {
  const prefix = nextPrefix();
  const url = inject("redisUrl");
  const [store, other] = await Promise.all([
    startStore({ url, prefix, publishWindowMs: 100 }),
    startStore({ url, prefix }),
  ]);
  const seen = await collect(other, "lobby");
  await publishSteadily(store, ["lobby"], { count: 60, everyMs: 2 });
  const last = store.bus.publish(LOBBY, Buffer.from("last"));
  await store.close();
  await last;
  await eventually(() => expect(seen).toEqual([...texts(60), "last"]));
});

it("leaves nothing of a turn to the old generation of the heap", async () => {
  const store = await startStore({ url: inject("redisUrl"), prefix: nextPrefix() });
  const messages = texts(100).map((text) => Buffer.from(text));
  const promoted = await promotedBytesPerStep(async () => {
    await Promise.all(messages.map((message) => store.bus.publish(LOBBY, message)));
  });
  // The messages of a turn take 22,000 bytes with their promises; what is in progress during a collection adds 800.
  expect(promoted).toBeLessThan(5_000);
});
