import { setImmediate } from "node:timers/promises";
import {
  askRedis,
  eventually,
  type RedisServer,
  RespConnection,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { bringUp, connect, errorLog, outcomeOf, startStore } from "../redis-store.fixture.js";

const CHANNELS = Array.from({ length: 60 }, (_, i) => ({ kind: "room", name: `room-${i}` }) as const);

async function ownRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return redis;
}

/** The rooms whose channels have subscribers in Redis. */
async function roomsAt(port: number, command: "CHANNELS" | "SHARDCHANNELS" = "CHANNELS"): Promise<string[]> {
  const channels = await askRedis(port, "PUBSUB", command, "*:room:*");
  return (Array.isArray(channels) ? channels : []).map((channel) => String(channel).replace(/^.*:room:/, "")).sort();
}

it("does not call a link out of sync because of joins and leaves", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url });
  const seen: string[] = [];
  store.link.onState((state) => seen.push(state));
  for (const channel of CHANNELS) {
    const subscription = await store.bus.subscribe(channel, () => undefined);
    await subscription.close();
  }
  expect(seen).toEqual([]);
});

it("restores 5,000 channels though it breaks again meanwhile, with channels added and dropped", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 10_000 });
  const resumed = new Set<string>();
  const subscribe = (name: string) =>
    store.bus.subscribe(
      { kind: "room", name },
      () => undefined,
      () => resumed.add(name),
    );
  const names = Array.from({ length: 5_000 }, (_, i) => `room-${i}`);
  const subscriptions = await Promise.all(names.map(subscribe));
  const kept = names.slice(500);
  const added = Array.from({ length: 500 }, (_, i) => `new-${i}`);
  let breaks = 0;
  let adding: Promise<unknown> | undefined;
  store.link.onState((state) => {
    if (state !== "resubscribing") return;
    // Break again halfway, when some channels are subscribed again and others are not.
    void eventually(async () => expect((await roomsAt(redis.port)).length).toBeGreaterThan(0)).then(async () => {
      if (++breaks < 3) await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
    });
    adding ??= Promise.all([
      ...subscriptions.slice(0, 500).map((subscription) => subscription.close()),
      ...added.map(subscribe),
    ]);
  });
  await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
  await eventually(() => expect(breaks).toBeGreaterThanOrEqual(3));
  await adding;
  await eventually(() => expect(store.link.state).toBe("in-sync"));
  await eventually(async () => expect(await roomsAt(redis.port)).toEqual([...kept, ...added].sort()));
  expect(kept.filter((name) => !resumed.has(name))).toEqual([]);
  expect(store.link.status().reconnects).toBeGreaterThanOrEqual(3);
});

it("reports an interruption before it delivers any later message", async () => {
  const redis = await ownRedis();
  const store = await startStore({ url: redis.url, commandTimeoutMs: 10_000 });
  const last = new Map<string, number>();
  const faults: string[] = [];
  await Promise.all(
    Array.from({ length: 1_500 }, (_, i) => `room-${i}`).map((name) =>
      store.bus.subscribe(
        { kind: "room", name },
        (message) => {
          const n = Number(Buffer.from(message).toString());
          const before = last.get(name);
          if (before !== undefined && n > before + 1) faults.push(`${name}: ${n} after ${before}`);
          last.set(name, n);
        },
        // From here on, any message may be the next one.
        () => last.delete(name),
      ),
    ),
  );
  const publisher = await RespConnection.open(redis.port);
  onTestFinished(() => publisher.close());
  const channels = (await askRedis(redis.port, "PUBSUB", "CHANNELS", "*:room:*")) as string[];
  // Publish without a pause, so that some messages follow the acknowledgements immediately.
  let n = 0;
  for (let round = 0; round < 5; round++) {
    const { reconnects } = store.link.status();
    await askRedis(redis.port, "CLIENT", "KILL", "TYPE", "pubsub");
    while (store.link.status().reconnects === reconnects || store.link.state !== "in-sync") {
      n++;
      await Promise.all(channels.map((channel) => publisher.command("PUBLISH", channel, String(n))));
    }
  }
  await eventually(() => expect(new Set(last.values())).toEqual(new Set([n])));
  expect(faults).toEqual([]);
}, 30_000);

it("leaves a master that hangs behind when Sentinels promote another", async () => {
  const sentinel = await startRedisSentinel({ downAfterMs: 500 });
  onTestFinished(() => sentinel.close());
  const log = errorLog();
  const store = await startStore({
    url: sentinel.url,
    commandTimeoutMs: 500,
    probeIntervalMs: 200,
    probeTimeoutMs: 1_000,
    onError: log.onError,
  });
  const got = new Set<string>();
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => got.add(channel.name));
  await sentinel.master.signal("SIGSTOP");
  await eventually(
    async () => expect(await askRedis(sentinel.replica.port, "ROLE")).toEqual(expect.arrayContaining(["master"])),
    { timeoutMs: 20_000 },
  );
  const promotedAt = performance.now();
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 20_000 });
  await eventually(async () => expect((await roomsAt(sentinel.replica.port)).length).toBe(CHANNELS.length));
  expect(performance.now() - promotedAt).toBeLessThan(8_000);
  // The Sentinel announces the new master only after it has named it to clients. At the announcement, the client
  // reconnects once more.
  await eventually(async () => {
    const publishes = CHANNELS.map((channel) => outcomeOf(store.bus.publish(channel, Buffer.from("x"))));
    expect(new Set(await Promise.all(publishes))).toEqual(new Set(["done"]));
  });
  await eventually(() => expect(got.size).toBe(CHANNELS.length));
  expect(log.seen.length).toBeLessThan(20);
}, 60_000);

it("looks for the new master if the old one answers as a replica", async () => {
  const sentinel = await startRedisSentinel({ downAfterMs: 500 });
  onTestFinished(() => sentinel.close());
  const store = await startStore({ url: sentinel.url, commandTimeoutMs: 2_000, probeIntervalMs: 200 });
  const server = await bringUp(store, "gw-1");
  const got: string[] = [];
  await store.bus.subscribe({ kind: "room", name: "lobby" }, (message) => got.push(Buffer.from(message).toString()));
  // Both servers stay up: no connection breaks, and the old master replies with READONLY from now on.
  await askRedis(sentinel.ports[0] ?? 0, "SENTINEL", "FAILOVER", sentinel.masterName);
  await eventually(
    async () => expect(await askRedis(sentinel.replica.port, "ROLE")).toEqual(expect.arrayContaining(["master"])),
    { timeoutMs: 20_000 },
  );
  await eventually(async () => expect(await outcomeOf(connect(store, server, "ann", ["lobby"]))).toBe("done"), {
    timeoutMs: 20_000,
  });
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 20_000 });
  await eventually(async () => expect(await roomsAt(sentinel.replica.port)).toEqual(["lobby"]), { timeoutMs: 20_000 });
  // The old master disconnects its clients once more when it begins to follow the new one.
  await eventually(async () => {
    await outcomeOf(store.bus.publish({ kind: "room", name: "lobby" }, Buffer.from("x")));
    expect(got).toContain("x");
  });
}, 60_000);

it("loses neither a room nor a registration when a Cluster's master hands over under load", async () => {
  const cluster = await startRedisCluster({ replicas: 1, nodeTimeoutMs: 1_000 });
  onTestFinished(() => cluster.close());
  const log = errorLog();
  const store = await startStore({ url: cluster.url, commandTimeoutMs: 5_000, onError: log.onError });
  const server = await bringUp(store, "gw-1");
  const got = new Set<string>();
  for (const channel of CHANNELS)
    await store.bus.subscribe(channel, (message) => got.add(String(Buffer.from(message))));
  let isOver = false;
  let joined = 0;
  onTestFinished(() => {
    isOver = true;
  });
  const outcomes = new Map<string, number>();
  const load = async (): Promise<void> => {
    while (!isOver) {
      for (const channel of CHANNELS) {
        const outcome = await outcomeOf(store.bus.publish(channel, Buffer.from("load")));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
      if ((await outcomeOf(connect(store, server, "ann", ["lobby"]))) === "done") joined++;
      await setImmediate();
    }
  };
  const loads = [load(), load(), load()];
  const replicas = cluster.nodes.slice(3);
  for (const replica of replicas) {
    await eventually(async () => expect(await askRedis(replica.port, "CLUSTER", "FAILOVER")).toBe("OK"));
    await eventually(
      async () => expect(await askRedis(replica.port, "ROLE")).toEqual(expect.arrayContaining(["master"])),
      { timeoutMs: 10_000 },
    );
  }
  const all = CHANNELS.map(({ name }) => name).sort();
  const subscribed = async () =>
    (await Promise.all(replicas.map(({ port }) => roomsAt(port, "SHARDCHANNELS")))).flat().sort();
  await eventually(
    async () => {
      expect(await subscribed()).toEqual(all);
      expect(store.link.state).toBe("in-sync");
      expect(outcomes.get("done")).toBeGreaterThan(300);
    },
    { timeoutMs: 10_000 },
  );
  isOver = true;
  await Promise.all(loads);
  expect(await store.rooms.count("lobby")).toBe(joined);
  await eventually(async () => {
    for (const channel of CHANNELS) await outcomeOf(store.bus.publish(channel, Buffer.from(channel.name)));
    expect(CHANNELS.filter(({ name }) => !got.has(name))).toEqual([]);
  });
  expect(await subscribed()).toEqual(all);
  expect(log.seen.length).toBeLessThan(20);
}, 60_000);

it("says degraded while a Cluster's master hangs, with the others at work, and in sync when it is back", async () => {
  const cluster = await startRedisCluster({ nodeTimeoutMs: 30_000 });
  onTestFinished(() => cluster.close());
  const store = await startStore({
    url: cluster.url,
    commandTimeoutMs: 400,
    probeIntervalMs: 100,
    probeTimeoutMs: 500,
  });
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => undefined);
  await cluster.nodes[0]?.signal("SIGSTOP");
  await eventually(() => expect(store.link.state).toBe("degraded"));
  const sent = await Promise.all(CHANNELS.map((channel) => outcomeOf(store.bus.publish(channel, Buffer.from("x")))));
  expect(sent.filter((outcome) => outcome === "done").length).toBeGreaterThan(20);
  expect(sent.filter((outcome) => outcome !== "done").length).toBeGreaterThan(5);
  await cluster.nodes[0]?.signal("SIGCONT");
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 10_000 });
  await eventually(async () => {
    const again = await Promise.all(CHANNELS.map((channel) => store.bus.publish(channel, Buffer.from("x"))));
    expect(new Set(again.map(({ subscribers }) => subscribers))).toEqual(new Set([1]));
  });
}, 60_000);

it("says down while all masters of a Cluster hang, and comes back with them", async () => {
  const cluster = await startRedisCluster({ nodeTimeoutMs: 30_000 });
  onTestFinished(() => cluster.close());
  const log = errorLog();
  const store = await startStore({
    url: cluster.url,
    commandTimeoutMs: 400,
    probeIntervalMs: 100,
    probeTimeoutMs: 500,
    onError: log.onError,
  });
  const got = new Set<string>();
  for (const channel of CHANNELS) await store.bus.subscribe(channel, () => got.add(channel.name));
  for (const node of cluster.nodes) await node.signal("SIGSTOP");
  await eventually(() => expect(store.link.state).toBe("down"));
  for (const node of cluster.nodes) await node.signal("SIGCONT");
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 10_000 });
  await Promise.all(CHANNELS.map((channel) => store.bus.publish(channel, Buffer.from("x"))));
  await eventually(() => expect(got.size).toBe(CHANNELS.length));
  expect(log.seen.length).toBeLessThan(20);
}, 60_000);

it("follows slots that move one after the other, under load, without going round in errors", async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const log = errorLog();
  // With this prefix, the layout key is in one of the slots below.
  const prefix = "move-21";
  const store = await startStore({ url: cluster.url, prefix, commandTimeoutMs: 5_000, onError: log.onError });
  const got = new Set<string>();
  for (const channel of CHANNELS)
    await store.bus.subscribe(channel, (message) => got.add(String(Buffer.from(message))));
  const [from = 0, to = 0] = cluster.ports;
  const targetId = String(await askRedis(to, "CLUSTER", "MYID"));
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const load = (async () => {
    while (!isOver) {
      for (const channel of CHANNELS) await outcomeOf(store.bus.publish(channel, Buffer.from("load")));
      // A store without a link rejects at once: without a turn of the event loop, the link would never come
      // back.
      await setImmediate();
    }
  })();
  // Move every twentieth slot of the first third. Each is handed over as at the end of a resharding. A master refuses
  // to hand over a slot that has a key.
  for (let slot = 0; slot < 5_400; slot += 20) {
    if (Number(await askRedis(from, "CLUSTER", "COUNTKEYSINSLOT", slot)) > 0) continue;
    for (const port of [to, from]) await askRedis(port, "CLUSTER", "SETSLOT", slot, "NODE", targetId);
  }
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 10_000 });
  isOver = true;
  await load;
  await eventually(async () => {
    for (const channel of CHANNELS) await outcomeOf(store.bus.publish(channel, Buffer.from(channel.name)));
    expect(CHANNELS.filter(({ name }) => !got.has(name))).toEqual([]);
  });
  expect(log.seen.length).toBeLessThan(20);
}, 60_000);
