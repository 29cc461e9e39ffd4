import type { LinkState } from "@cm/protocol";
import { askRedis, eventually, freshPrefix, type RedisServer, startRedis } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, it, onTestFinished } from "vitest";
import { createRedisStore, type RedisStore } from "../index.js";
import { bringUp, connect, errorLog, outcomeOf, startStore } from "../redis-store.fixture.js";

const ROOM = { kind: "room", name: "lobby" } as const;

async function ownRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return redis;
}

function states(store: RedisStore): LinkState[] {
  const seen: LinkState[] = [];
  store.link.onState((state) => seen.push(state));
  return seen;
}

it("goes from connecting to in-sync to closed, and connects to nothing before start", async () => {
  const redis = await ownRedis();
  const before = String(await askRedis(redis.port, "INFO", "stats"));
  const store = createRedisStore({ url: redis.url });
  expect(store.link.state).toBe("connecting");
  expect(await outcomeOf(store.servers.snapshot())).toBe("closed");
  const connections = (info: string) => Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
  // The INFO command itself takes one more connection.
  expect(connections(String(await askRedis(redis.port, "INFO", "stats")))).toBe(connections(before) + 1);
  const seen = states(store);
  await store.start();
  await Promise.all([store.close(), store.close()]);
  expect(seen).toEqual(["in-sync", "closed"]);
  expect(await outcomeOf(store.start())).toBe("closed");
  expect(await outcomeOf(store.bus.publish(ROOM, Buffer.from("x")))).toBe("closed");
});

it("uses two connections, and leaves none behind", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url });
  const clients = async () => String(await askRedis(redis.port, "CLIENT", "LIST")).match(/name=cm:\w+/g) ?? [];
  expect((await clients()).sort()).toEqual(["name=cm:commands", "name=cm:subscriber"]);
  await store.close();
  await eventually(async () => expect(await clients()).toEqual([]));
});

it("subscribes everything again, and says in-sync only then, after the subscriber was killed", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url });
  const got = new Set<string>();
  const names = Array.from({ length: 1_200 }, (_, i) => `room-${i}`);
  await Promise.all(names.map((name) => store.bus.subscribe({ kind: "room", name }, () => got.add(name))));
  const seen = states(store);
  expect(await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub")).toBe(1);
  await eventually(() => expect(seen).toContain("resubscribing"));
  // From the moment of `in-sync`, all messages arrive.
  await new Promise<void>((resolve) => {
    if (store.link.state === "in-sync") resolve();
    store.link.onState((state) => {
      if (state === "in-sync") resolve();
    });
  });
  await Promise.all(names.map((name) => store.bus.publish({ kind: "room", name }, Buffer.from("x"))));
  await eventually(() => expect(got.size).toBe(names.length));
  expect(seen).toEqual(["resubscribing", "in-sync"]);
});

it("fails publishes at once and all else in time while Redis is down, and recovers when it is back, empty", async () => {
  const redis = await ownRedis();
  const log = errorLog();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 500, onError: log.onError });
  const server = await bringUp(store, "gw-1");
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  await redis.kill();
  await eventually(() => expect(store.link.state).toBe("down"));
  const startedAt = performance.now();
  const publishes = Array.from({ length: 1_000 }, () => store.bus.publish(ROOM, Buffer.from("lost")));
  const calls = [
    connect(store, server, "ann", ["lobby"]),
    store.rooms.members("lobby", { limit: 10 }),
    store.servers.snapshot(),
  ];
  expect(new Set(await Promise.all(publishes.map(outcomeOf)))).toEqual(new Set(["unavailable"]));
  expect(performance.now() - startedAt).toBeLessThan(400);
  expect(new Set(await Promise.all(calls.map(outcomeOf)))).toEqual(new Set(["unavailable"]));
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(await outcomeOf(store.bus.subscribe({ kind: "room", name: "new" }, () => undefined))).toBe("unavailable");
  await redis.restart();
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  await store.bus.publish(ROOM, Buffer.from("back"));
  await eventually(() => expect(got).toEqual(["back"]));
  expect(await outcomeOf(store.servers.renew(server.lease, { connections: 0, rooms: 0 }))).toBe("lease-lost");
  await store.servers.acquire(server.registration, 60_000);
  expect(log.seen.length).toBeGreaterThan(0);
  expect(new Set(log.seen.map(({ code, stage }) => `${code} ${stage}`))).toEqual(new Set(["unavailable link"]));
});

it("waits with a subscription for a link that comes back in time", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 10_000 });
  await redis.kill();
  await eventually(() => expect(store.link.state).toBe("down"));
  const got: string[] = [];
  const subscribing = store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  await redis.restart();
  const subscription = await subscribing;
  await eventually(async () => expect(await outcomeOf(store.bus.publish(ROOM, Buffer.from("x")))).toBe("done"));
  await eventually(() => expect(got).toContain("x"));
  await subscription.close();
});

it("notices a Redis that hangs without closing, on both connections, and comes back", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 300 });
  await store.bus.subscribe(ROOM, () => undefined);
  await redis.signal("SIGSTOP");
  const startedAt = performance.now();
  expect(["unavailable", "timeout"]).toContain(await outcomeOf(store.bus.publish(ROOM, Buffer.from("x"))));
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  await eventually(() => expect(store.link.state).toBe("down"));
  await redis.signal("SIGCONT");
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  expect(await outcomeOf(store.bus.publish(ROOM, Buffer.from("x")))).toBe("done");
});

it("says unavailable only of what is never published: retried while Redis hangs, no message arrives twice", async () => {
  const redis = await ownRedis();
  const shared = { url: redis.url, prefix: freshPrefix(), onError: () => undefined };
  const store = await startStore({ ...shared, commandTimeoutMs: 500 });
  const witness = await startStore({ ...shared, commandTimeoutMs: 10_000 });
  const got: string[] = [];
  await witness.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  await redis.signal("SIGSTOP");
  const outcomes = new Map<string, Promise<string>>();
  const publish = (text: string): Promise<string> => outcomeOf(store.bus.publish(ROOM, Buffer.from(text)));
  // Publish before, while and after the connection is closed.
  for (let i = 0; store.link.state !== "down"; i++) {
    outcomes.set(`${i}`, publish(`${i}`));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const said = new Map(await Promise.all([...outcomes].map(async ([text, outcome]) => [text, await outcome] as const)));
  await redis.signal("SIGCONT");
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  const refused = [...said].filter(([, outcome]) => outcome === "unavailable").map(([text]) => text);
  await Promise.all(refused.map((text) => store.bus.publish(ROOM, Buffer.from(text))));
  await store.bus.publish(ROOM, Buffer.from("last"));
  await eventually(() => expect(got).toContain("last"));
  expect([...new Set(got)]).toHaveLength(got.length);
  expect(new Set(said.values())).toContain("timeout");
  // Commands that were written before Redis hung are carried out when it continues.
  expect(got).toContain("0");
});

it("finds an idle link dead, without any command of the application", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 300 });
  await redis.signal("SIGSTOP");
  await eventually(() => expect(store.link.state).toBe("down"), { timeoutMs: 5_000 });
  await redis.signal("SIGCONT");
  await eventually(() => expect(store.link.state).toBe("in-sync"));
});

it("fails to start if there is no Redis, in time, and may be started again when there is", async () => {
  const redis = await ownRedis();
  await redis.kill();
  const store = createRedisStore({
    url: redis.url,
    startTimeoutMs: 300,
    prefix: freshPrefix(),
    onError: () => undefined,
  });
  onTestFinished(() => store.close());
  expect(await outcomeOf(store.start())).toBe("unavailable");
  await redis.restart();
  await store.start();
  expect(store.link.state).toBe("in-sync");
});

it("gives up starting at once when it is closed", async () => {
  const redis = await ownRedis();
  await redis.kill();
  const store = createRedisStore({ url: redis.url, prefix: freshPrefix(), onError: () => undefined });
  const starting = outcomeOf(store.start());
  const startedAt = performance.now();
  await store.close();
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(await starting).toBe("closed");
});

it("says what is wrong if Redis refuses the password", async () => {
  const open = await ownRedis();
  await askRedis(open.port, "CONFIG", "SET", "requirepass", "secret");
  const options = { startTimeoutMs: 500, prefix: freshPrefix(), onError: () => undefined };
  const store = createRedisStore({ ...options, url: open.url.replace("//", "//:wrong@") });
  await expect(store.start()).rejects.toMatchObject({ code: "unavailable", cause: { name: "ReplyError" } });
  await startStore({ ...options, url: open.url.replace("//", "//:secret@") });
});

it("refuses to start in a database that Redis lacks, and leaves database 0 alone", async () => {
  const redis = await ownRedis();
  const options = { prefix: freshPrefix(), onError: () => undefined };
  const store = createRedisStore({ ...options, url: `${redis.url}/99` });
  await expect(store.start()).rejects.toMatchObject({ code: "options-invalid", details: { field: "db", db: 99 } });
  expect(await askRedis(redis.port, "DBSIZE")).toBe(0);
  await startStore({ ...options, url: `${redis.url}/15` });
  expect(await askRedis(redis.port, "DBSIZE")).toBe(0);
  expect(await askRedis(redis.port, "INFO", "keyspace")).toContain("db15:");
});

it("says so if it may not change the database", async () => {
  const redis = await ownRedis();
  await askRedis(redis.port, "ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-select");
  const url = `${redis.url.replace("//", "//limited:secret@")}/1`;
  const store = createRedisStore({ url, prefix: freshPrefix(), onError: () => undefined });
  await expect(store.start()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("NOPERM"),
  });
  expect(await askRedis(redis.port, "DBSIZE")).toBe(0);
});

it("is degraded while Redis refuses new subscriptions, even if none are requested, and recovers by itself", async () => {
  const redis = await ownRedis();
  const log = errorLog();
  const store = await startStore({ url: redis.url, onError: log.onError, commandTimeoutMs: 1_000 });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  await askRedis(redis.port, "ACL", "SETUSER", "default", "-subscribe");
  await expect(store.bus.subscribe({ kind: "room", name: "new" }, () => undefined)).rejects.toMatchObject({
    code: "unavailable",
  });
  // The subscribed room keeps receiving messages, over several probes.
  const untilMs = performance.now() + 2_500;
  while (performance.now() < untilMs) {
    expect(store.link.state).toBe("degraded");
    const before = got.length;
    await store.bus.publish(ROOM, Buffer.from("x"));
    await eventually(() => expect(got.length).toBeGreaterThan(before));
  }
  expect(log.seen.length).toBeLessThan(5);
  await askRedis(redis.port, "ACL", "SETUSER", "default", "+subscribe");
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  // Channels that were only tried are unsubscribed.
  await eventually(async () => expect(await askRedis(redis.port, "PUBSUB", "CHANNELS", "*room:*")).toHaveLength(1));
  await store.bus.subscribe({ kind: "room", name: "new" }, () => undefined);
  expect(store.link.status().replacedSubscribers).toBe(0);
});

it("lets other channels be subscribed beside one that Redis refuses", async () => {
  const redis = await ownRedis();
  const rights = ["on", ">secret", "~*", "+@all", "resetchannels", "&*probe*", "&*:room:open*"];
  await askRedis(redis.port, "ACL", "SETUSER", "limited", ...rights);
  const url = redis.url.replace("//", "//limited:secret@");
  const store = await startStore({ url, onError: () => undefined, commandTimeoutMs: 1_000 });
  const subscribe = (name: string) => store.bus.subscribe({ kind: "room", name }, () => undefined);
  await expect(subscribe("closed")).rejects.toMatchObject({ code: "unavailable" });
  await subscribe("open-1");
  expect(store.link.state).toBe("degraded");
});

it.each<[string, readonly string[]]>([
  ["a command", ["-zadd"]],
  ["a channel", ["resetchannels", "&*probe*"]],
])("takes it for unavailable where a script may not use %s, as outside of scripts", async (_, rights) => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, onError: () => undefined });
  const server = await bringUp(store, "gw-1");
  await store.rooms.enableAnnouncements("lobby", 60_000);
  await connect(store, server, "ann", ["lobby"]);
  await askRedis(redis.port, "ACL", "SETUSER", "default", ...rights);
  const refusal = store.rooms.join(server.lease, "lobby", [{ connectionId: server.ids.next(), userId: "bob" }]);
  await expect(refusal).rejects.toMatchObject({ code: "unavailable", retryable: true });
});

it("reports an error that a handler throws to onError, and continues", async () => {
  const redis = await ownRedis();
  const log = errorLog();
  const store = await startStore({ url: redis.url, onError: log.onError });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => {
    got.push(Buffer.from(message).toString());
    throw new Error("handler");
  });
  await store.bus.publish(ROOM, Buffer.from("1"));
  await store.bus.publish(ROOM, Buffer.from("2"));
  await eventually(() => expect(got).toEqual(["1", "2"]));
  expect(log.seen).toEqual(Array.from({ length: 2 }, () => ({ code: "internal", stage: "handler" })));
});

it("works over clients of the application, and leaves them as they were", async () => {
  const redis = await ownRedis();
  const [commands, subscriber] = [new Redis(redis.url), new Redis(redis.url)];
  onTestFinished(() => [commands, subscriber].forEach((client) => void client.disconnect()));
  const events = ["error", "ready", "close", "end", "messageBuffer", "moved", "reconnecting"];
  const listeners = () => events.map((event) => commands.listenerCount(event) + subscriber.listenerCount(event));
  const before = listeners();
  const store = await startStore({ clients: { commands, subscriber } });
  const got: string[] = [];
  await store.bus.subscribe(ROOM, (message) => got.push(Buffer.from(message).toString()));
  await store.bus.publish(ROOM, Buffer.from("x"));
  await eventually(() => expect(got).toEqual(["x"]));
  await store.close();
  expect(listeners()).toEqual(before);
  expect(await commands.ping()).toBe("PONG");
  expect(await askRedis(redis.port, "PUBSUB", "CHANNELS")).toEqual([]);
});
