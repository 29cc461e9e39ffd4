import { readFile } from "node:fs/promises";
import { createPresence } from "@cm/presence";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, eventually, freshPrefix, keysUnder } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createConnectionManager } from "./game-connection-manager.js";

const PAGE = new URL("../../../../docs/keys.md", import.meta.url);
const redisUrl = inject("redisUrl");
const port = Number(new URL(redisUrl).port);

/** Reads the rows of the page's table of keys, and the names in its table of documented keys. */
async function readPage(): Promise<{
  readonly rows: readonly { readonly here: string; readonly type: string }[];
  readonly documented: readonly string[];
}> {
  const [table = "", documented = ""] = (await readFile(PAGE, "utf8")).split(
    "## Where the keys of the old layout live",
  );
  return {
    rows: [...table.matchAll(/^\| `(cm:[^`]+)` \| (zset|set|hash|string|list|channel) \|/gm)].map(
      ([, here = "", type = ""]) => ({ here, type }),
    ),
    documented: [...documented.matchAll(/^\| `[^`]+` \| `(cm:[^`]+)`/gm)].map(([, here = ""]) => here),
  };
}

/**
 * Keys that games do not use: histories of recoverable rooms, and leftovers of servers that the
 * registry does not know.
 */
const NOT_OF_GAMES = /:(history|place|sender):|\.orphans$/;

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
  // Create every kind of key: players, a user who is leaving, a user who has left, a dead server.
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

  // A server gives its first sign of life within one second.
  await eventually(async () => expect(await keysUnder(redisUrl, `${prefix}:{servers}.signs`)).toHaveLength(1));

  const { rows, documented } = await readPage();
  expect(documented).toHaveLength(12);
  const patterns = rows.map(({ here, type }) => ({
    here,
    type,
    pattern: new RegExp(
      `^${here
        .replace("cm:", `${prefix}:`)
        .replaceAll(/[{}.]/g, "\\$&")
        .replace("<server>", server)
        .replace("<room>", game)
        .replaceAll(/\*|<partition>|<id>/g, "[\\w-]+")}$`,
    ),
  }));
  const found = new Map<string, string>();
  for (const key of await keysUnder(redisUrl, `${prefix}:`)) {
    found.set(key, String(await askRedis(port, "TYPE", key)));
  }
  const reply = await askRedis(port, "PUBSUB", "CHANNELS", `${prefix}:*`);
  const channels = (Array.isArray(reply) ? reply : []).map((name) => [String(name), "channel"] as const);
  const matching = [...found, ...channels].map(([name, type]) => ({
    name,
    lines: patterns.filter((line) => line.pattern.test(name) && line.type === type).map(({ here }) => here),
  }));
  expect(matching.filter(({ lines }) => lines.length !== 1)).toEqual([]);
  const seen = new Set(matching.flatMap(({ lines }) => lines));
  expect(rows.map(({ here }) => here).filter((here) => !seen.has(here) && !NOT_OF_GAMES.test(here))).toEqual([]);
  expect(documented.filter((here) => !seen.has(here))).toEqual([]);
});
