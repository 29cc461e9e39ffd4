import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, inject, it, onTestFinished } from "vitest";
import { type Server, startServer } from "../router.fixture.js";

async function connect(): Promise<Redis> {
  const redis = new Redis(inject("redisUrl"));
  onTestFinished(() => redis.disconnect());
  return redis;
}

async function startServers(prefix: string): Promise<readonly [Server, Server]> {
  const start = (id: string) => startServer(id, createRedisStore({ url: inject("redisUrl"), prefix }));
  return Promise.all([start("a"), start("b")]);
}

it("publishes what a turn has for three rooms in three messages of Redis, each with its own number and exceptions", async () => {
  const prefix = freshPrefix();
  const [a, b] = await startServers(prefix);
  const rooms = ["lobby", "hall", "attic"];
  for (const server of [a, b]) await Promise.all(rooms.map((room) => server.router.enter(room)));
  const recorder = await connect();
  const channels: string[] = [];
  recorder.on("pmessageBuffer", (_, channel: Buffer) => channels.push(String(channel)));
  await recorder.psubscribe(`${prefix}:*:room:*`);

  const sent = Array.from({ length: 30 }, (_, i) => ({
    room: rooms[i % 3] ?? "",
    text: `{"data":${i}}`,
    except: i % 5 === 0 ? [a.nextId(), b.nextId()] : [],
  }));
  const outcomes = await Promise.all(sent.map(({ room, text, except }) => a.router.toRoom(room, text, except)));
  expect(outcomes).toEqual(sent.map(() => ({ subscribers: 3 })));
  for (const { sockets } of [a, b]) {
    await eventually(() => expect(sockets.rooms).toHaveLength(30));
    for (const name of rooms) {
      const inRoom = ({ room }: { readonly room: string }): boolean => room === name;
      expect(sockets.rooms.filter(inRoom)).toEqual(sent.filter(inRoom));
    }
  }
  await eventually(() => expect(channels).toHaveLength(3));
  for (const { router, gaps } of [a, b]) {
    expect(gaps).toEqual([]);
    expect(router.stats()).toMatchObject({ received: 30, duplicates: 0, damaged: 0 });
  }

  // The number of the next message follows those of the batches, so that no server reports a gap.
  await a.router.toRoom("lobby", "{}");
  await eventually(() => expect(b.sockets.rooms).toHaveLength(31));
  expect(b.gaps).toEqual([]);
});

it("counts what is damaged in a batch of a stranger, and delivers the rest of it", async () => {
  const prefix = freshPrefix();
  const [a, b] = await startServers(prefix);
  await b.router.enter("lobby");
  const recorder = await connect();
  const batches: Buffer[] = [];
  let lobby = "";
  recorder.on("pmessageBuffer", (_, channel: Buffer, bytes: Buffer) => {
    lobby = String(channel);
    batches.push(bytes);
  });
  await recorder.psubscribe(`${prefix}:*:room:*`);
  await Promise.all(["one", "two"].map((text) => a.router.toRoom("lobby", text)));
  await eventually(() => expect(batches).toHaveLength(1));
  await eventually(() => expect(b.sockets.rooms).toHaveLength(2));

  const batch = batches[0] ?? Buffer.alloc(0);
  const stranger = await connect();
  const publish = (bytes: Buffer) => stranger.publish(lobby, bytes);
  // Publish two damaged batches: one is cut off, and the other has a length that passes its end. Neither is
  // delivered.
  await publish(batch.subarray(0, batch.length - 1));
  await publish(Buffer.concat([batch, Buffer.from([0, 0, 1, 0, 1])]));
  await eventually(() => expect(b.router.stats().damaged).toBe(2));
  // Publish the whole batch once more, followed by two bytes that are no message, and by a batch within the batch.
  const nested = Buffer.concat([Buffer.alloc(4), batch]);
  nested.writeUInt32BE(batch.length);
  await publish(Buffer.concat([batch, Buffer.from([0, 0, 0, 2, 1, 2]), nested]));
  await eventually(() => expect(b.router.stats()).toMatchObject({ damaged: 4, duplicates: 2 }));
  expect(b.sockets.rooms.map(({ text }) => text)).toEqual(["one", "two"]);
  expect(b.gaps).toEqual([]);
});
