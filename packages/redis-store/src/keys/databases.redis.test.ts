import { type Channel, partitionOf } from "@cm/protocol";
import { eventually, freshPrefix, startRedis } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, it, onTestFinished } from "vitest";
import type { RedisStore, RedisStoreOptions } from "../index.js";
import { bringUp, connect, portOf, startStore } from "../redis-store.fixture.js";

const HEARD = ["room", "server", "roster", "presence", "history"] as const;
const ROOM = "lobby";

/** Subscribes to one channel of each kind. Returns the kinds of the channels on which messages arrive. */
async function listen(store: RedisStore): Promise<Set<string>> {
  const heard = new Set<string>();
  const channels: readonly Channel[] = [
    { kind: "room", name: ROOM },
    { kind: "server", name: "gw-1" },
    { kind: "roster", name: ROOM },
    { kind: "presence", name: String(partitionOf("ann", store.partitions)) },
  ];
  for (const channel of channels) {
    await store.bus.subscribe(channel, (message) => {
      heard.add(Buffer.from(message).includes('"offset":') ? "history" : channel.kind);
    });
  }
  await store.rooms.enableAnnouncements(ROOM, 60_000);
  return heard;
}

/** Publishes on each kind of channel, with commands and with scripts. */
async function speak(store: RedisStore): Promise<void> {
  await store.bus.publish({ kind: "room", name: ROOM }, Buffer.from("x"));
  await store.bus.publish({ kind: "server", name: "gw-1" }, Buffer.from("x"));
  await connect(store, await bringUp(store, "gw-1"), "ann", [ROOM]);
  await store.bus.history?.append(ROOM, {
    before: Buffer.from("{"),
    after: Buffer.from('"type":"message"}'),
    sender: { origin: "gw-1", epoch: 1, sequence: 1 },
  });
}

async function startServer(): Promise<(database: number) => { readonly url: string }> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return (database) => ({ url: `redis://127.0.0.1:${portOf(redis.url)}/${database}` });
}

/**
 * Expects that a store with the options `own` receives the messages of a store with the options `speaking`,
 * and that a store with the options `other` does not.
 */
async function expectApart(speaking: RedisStoreOptions, own: RedisStoreOptions, other: RedisStoreOptions) {
  const prefix = freshPrefix();
  const [speaker, neighbour, stranger] = await Promise.all([
    startStore({ ...speaking, prefix }),
    startStore({ ...own, prefix }),
    startStore({ ...other, prefix }),
  ]);
  const [heard, crossed] = [await listen(neighbour), await listen(stranger)];
  await speak(speaker);
  await eventually(() => expect([...heard].sort()).toEqual([...HEARD].sort()));
  // Redis has delivered all messages above before it delivers this one.
  await stranger.bus.publish({ kind: "server", name: "gw-1" }, Buffer.from("last"));
  await eventually(() => expect(crossed.has("server")).toBe(true));
  expect([...crossed]).toEqual(["server"]);
}

it("keeps the messages of deployments in two databases apart", async () => {
  const at = await startServer();
  await expectApart(at(1), at(1), at(2));
});

it("keeps the messages of database 0 and of another one apart", async () => {
  const at = await startServer();
  await expectApart(at(3), at(3), at(0));
});

it("goes by the database of the application's own clients", async () => {
  const at = await startServer();
  const client = (): Redis => {
    const redis = new Redis({ port: portOf(at(0).url), db: 1 });
    onTestFinished(() => redis.disconnect());
    return redis;
  };
  await expectApart({ clients: { commands: client(), subscriber: client() } }, at(1), at(2));
});
