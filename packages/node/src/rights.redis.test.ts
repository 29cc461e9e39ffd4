import { readdir, readFile } from "node:fs/promises";
import { createConnectionIdSource } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, startRedis } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createNode } from "./composed-node.js";

const PAGE = new URL("../../../docs/redis.md", import.meta.url);
const SCRIPTS = new URL("../../redis-store/lua/", import.meta.url);

/** Reads the ACL rule of `docs/redis.md` and adapts it to a user of this test, as arguments of a Redis command. */
async function ruleOfThePage(user: string, prefix: string): Promise<string[]> {
  const [, block = ""] = /^```acl\n(.*?)^```$/ms.exec(await readFile(PAGE, "utf8")) ?? [];
  const [acl, setUser, , ...rights] = block.trim().split(/\s+/);
  expect([acl, setUser]).toEqual(["ACL", "SETUSER"]);
  const own = rights.map((right) => right.replace("cm:*", `${prefix}:*`).replace(">password", ">secret"));
  return ["ACL", "SETUSER", user, ...own];
}

/**
 * Creates a Redis user with the permissions of `docs/redis.md` on these ports. Returns the URL for that user, the
 * key prefix, and a function that resolves with the commands that Redis rejected.
 */
async function limitedUser(url: string, ports: readonly number[]) {
  const prefix = freshPrefix();
  const user = `limited-${prefix}`;
  const rule = await ruleOfThePage(user, prefix);
  for (const port of ports) await askRedis(port, ...rule);
  onTestFinished(async () => {
    for (const port of ports) await askRedis(port, "ACL", "DELUSER", user);
  });
  const refused = async (): Promise<unknown[]> => {
    const logs = await Promise.all(ports.map((port) => askRedis(port, "ACL", "LOG")));
    return logs.flatMap((log) => (Array.isArray(log) ? log : [])).filter((entry) => String(entry).includes(user));
  };
  return { url: url.replace("://", `://${user}:secret@`), prefix, refused };
}

/** Leaves a server that ended without removing its data from the store. */
async function leaveADeadServer(url: string, prefix: string): Promise<void> {
  const store = createRedisStore({ url, prefix });
  await store.start();
  const ids = createConnectionIdSource({ serverId: "dead" });
  const { incarnation, partitionBits } = ids;
  const registration = { serverId: "dead", incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease = await store.servers.acquire(registration, 2_000);
  const connection = { connectionId: ids.next(), userId: "eve" };
  const record = { ...connection, connectedAt: 1, lastSeen: 1, rooms: ["lobby"] };
  await Promise.all([
    store.connections.put(lease, [record]),
    store.users.add(lease, [connection]),
    store.rooms.join(lease, "lobby", [connection]),
  ]);
  await store.close();
}

it("the rule of docs/redis.md has each command that a script calls", async () => {
  const rights = new Set(await ruleOfThePage("user", "prefix"));
  const files = (await readdir(SCRIPTS, { recursive: true })).filter((name) => name.endsWith(".lua"));
  expect(files.length).toBeGreaterThan(30);
  const called = new Set<string>();
  for (const file of files) {
    const lua = await readFile(new URL(file, SCRIPTS), "utf8");
    for (const [, name = ""] of lua.matchAll(/redis\.p?call\(\s*["']([A-Za-z]+)["']/g)) called.add(name.toLowerCase());
  }
  // A command may be allowed for some of its subcommands only.
  const isAllowed = (name: string) => [...rights].some((right) => right.split("|")[0] === `+${name}`);
  expect([...called].filter((name) => !isAllowed(name))).toEqual([]);
});

it.each(["Redis", "Redis Cluster"])(
  "the rule of docs/redis.md is enough for all that servers do, on %s",
  async (kind) => {
    let url = inject("redisClusterUrl");
    if (kind === "Redis") {
      const redis = await startRedis();
      onTestFinished(() => redis.close());
      url = redis.url;
    }
    const limited = await limitedUser(
      url,
      [...url.matchAll(/:(\d+)/g)].map(([, port]) => Number(port)),
    );
    const failures: string[] = [];
    const heard: string[] = [];
    const start = async (serverId: string) => {
      const node = createNode({
        redisUrl: limited.url,
        prefix: limited.prefix,
        serverId,
        heartbeatIntervalMs: 200,
        leaseTtlMs: 30_000,
        cleanupIntervalMs: 300,
        offlineGraceMs: 0,
        isRecoverable: (room) => room === "chat",
        local: {
          toRoom: (room, frame) => heard.push(`${serverId} ${room} ${Buffer.from(frame).toString().length > 0}`),
          toConnection: () => true,
          toUser: () => 1,
        },
        onError: (error, { stage }) => failures.push(`${stage}: ${error.message}`),
      });
      onTestFinished(() => node.close());
      await node.start();
      return node;
    };
    const [one, two] = [await start("one"), await start("two")];
    await leaveADeadServer(limited.url, limited.prefix);

    const [ann, bob] = [one.membership.nextConnectionId(), two.membership.nextConnectionId()];
    await one.membership.open({ connectionId: ann, userId: "ann", metadata: { device: "phone" } });
    await two.membership.open({ connectionId: bob, userId: "bob" });
    const changes: unknown[] = [];
    const watch = await one.presence.watchRoom("chat", {
      snapshot: () => undefined,
      change: (change) => changes.push(change),
      ended: (error) => failures.push(error.message),
    });
    for (const room of ["lobby", "chat"]) {
      await one.membership.join(ann, room, { record: "{}" });
      await two.membership.join(bob, room);
      await one.router.toRoom(room, '{"type":"message","data":1}');
    }
    await eventually(() => expect(heard.filter((line) => line.includes("chat"))).toHaveLength(2));
    const since = { epoch: one.router.positionOf("chat")?.epoch ?? 0, offset: 0 };
    expect((await one.store.bus.history?.since("chat", since, 10))?.entries).toHaveLength(1);
    expect(await one.router.toConnection(bob, new Uint8Array([123, 125]), { confirmMs: 2_000 })).toBe("delivered");
    expect((await one.store.rooms.members("chat", { limit: 10 })).items).toHaveLength(2);
    expect((await two.store.users.states(["ann"]))[0]?.connections).toHaveLength(1);
    const stored = await one.store.roomRecords.get("lobby");
    await one.store.roomRecords.compareAndSet("lobby", stored?.version ?? 0, '{"a":1}');
    await one.store.roomRecords.get("lobby", { touch: true });
    const { users, rooms, counts, servers, upkeep } = one.store;
    expect(
      await Promise.all([counts.of("users"), counts.of("rooms"), counts.of("roomRecords"), rooms.count("chat")]),
    ).toEqual([expect.any(Number), 2, 2, 2]);
    expect((await users.online({ limit: 10 })).items.length).toBeGreaterThan(1);
    // By the time this succeeds, the heartbeats have reaped, compared and renewed.
    await eventually(async () => expect(await counts.of("connections")).toBe(2), { timeoutMs: 20_000 });
    await one.membership.reapExpired();
    const [{ incarnation } = { incarnation: "" }] = (await servers.snapshot()).living.filter(
      ({ serverId }) => serverId === "two",
    );
    expect(await upkeep.servers.expire({ serverId: "two", incarnation }, 1)).toBe("alive");
    await Promise.all([
      upkeep.projection.reconcile("rooms", 0),
      upkeep.projection.reconcile("users", 0),
      upkeep.projection.endGracePeriods([0]),
    ]);
    await two.membership.leave(bob, "chat");
    await two.membership.close(bob);
    await eventually(() => expect(changes.length).toBeGreaterThan(1));
    await watch.close();
    expect((await servers.snapshot()).living.map(({ serverId }) => serverId).sort()).toEqual(["one", "two"]);
    await Promise.all([one.close(), two.close()]);
    // Ignore failures that are only caused by delays on a busy machine.
    expect(failures.filter((failure) => failure.includes("NOPERM"))).toEqual([]);
    expect(await limited.refused()).toEqual([]);
  },
);
