import { readFile } from "node:fs/promises";
import { createPresence } from "@cm/presence";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createConnectionManager } from "./game-manager.js";

const PAGE = new URL("../../../../docs/keys.md", import.meta.url);
const redisUrl = inject("redisUrl");
const port = Number(new URL(redisUrl).port);

/** The rows of the page's tables: what stands in code in their cells, and the type. */
async function pageRows(): Promise<readonly { readonly here: string; readonly type: string }[]> {
  const lines = (await readFile(PAGE, "utf8")).split("\n");
  return lines.flatMap((line) => {
    const [here, type] = line
      .split("|")
      .map((cell) => cell.trim())
      .filter((cell) => cell.startsWith("`cm:") || /^(zset|set|hash|string|channel)$/.test(cell));
    return here === undefined || type === undefined ? [] : [{ here: here.replaceAll("`", ""), type }];
  });
}

it("names where each documented key and channel lives, and no key besides", async () => {
  const prefix = freshPrefix();
  const [server, game] = ["gw-1", "chess"];
  const begin = async (serverInstance: string) => {
    const store = createRedisStore({ url: redisUrl, prefix });
    onTestFinished(() => store.close());
    await store.start();
    const manager = await createConnectionManager({ store, serverInstance, onError: () => undefined });
    onTestFinished(() => manager.shutdown());
    return { store, manager };
  };
  const [{ store, manager }, dead] = [await begin(server), await begin("gw-2")];
  // Something of everything: players, one who is leaving, one who has gone, a dead server.
  await Promise.all([
    manager.connect("ann", "1"),
    manager.connect("bob", "2"),
    manager.connect("eve", "3"),
    manager.onGameEvent(game, () => undefined).ready,
  ]);
  await manager.joinGame("ann", game);
  await manager.disconnect("bob", "2");
  await manager.disconnect("eve", "3", { signOff: true });
  const presence = createPresence(store);
  onTestFinished(() => presence.close());
  await presence.watchUser("ann", { snapshot: () => undefined, change: () => undefined });
  await dead.store.close();
  await dead.manager.shutdown();
  const record = (await store.servers.snapshot()).living.find(({ serverId }) => serverId === "gw-2");
  if (record === undefined) throw new Error("The server that died held no lease.");
  await store.servers.acquire(record, 1);
  await eventually(async () => {
    await manager.cleanupStaleConnections();
    expect(await keysUnder(redisUrl, `${prefix}:{servers}.reaped`)).toHaveLength(1);
  });

  // A server gives its first sign of life within a second.
  await eventually(async () => expect(await keysUnder(redisUrl, `${prefix}:{servers}.signs`)).toHaveLength(1));

  const rows = await pageRows();
  expect(rows).toHaveLength(26);
  const patterns = rows.map(({ here, type }) => ({
    here,
    type,
    pattern: new RegExp(
      `^${here
        .replace("cm:", `${prefix}:`)
        .replaceAll(/[{}.]/g, "\\$&")
        .replace("<server>", server)
        .replace("<game>", game)
        .replaceAll("*", "[\\w-]+")}$`,
    ),
  }));
  const types = new Map<string, string>();
  for (const key of await keysUnder(redisUrl, `${prefix}:`)) types.set(key, String(await askRedis(port, "TYPE", key)));
  const reply = await askRedis(port, "PUBSUB", "CHANNELS", `${prefix}:*`);
  const channels = Array.isArray(reply) ? reply.map(String) : [];
  for (const { here, type, pattern } of patterns) {
    const found =
      type === "channel"
        ? channels.filter((name) => pattern.test(name))
        : [...types].filter(([key, keyType]) => keyType === type && pattern.test(key));
    expect(found, `${here} (${type})`).not.toEqual([]);
  }
  const unnamed = [
    ...[...types.keys()].filter(
      (key) => !patterns.some(({ type, pattern }) => type !== "channel" && pattern.test(key)),
    ),
    ...channels.filter((name) => !patterns.some(({ type, pattern }) => type === "channel" && pattern.test(name))),
  ];
  expect(unnamed).toEqual([]);
});
