import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createRedisStore } from "@cm/redis-store";
import { askRedis, freshPrefix, keysUnder, RespConnection } from "@cm/test-kit";
import { beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { createConnectionManager } from "./game-manager.js";
import { gameEvent } from "./managers.fixture.js";

const DOCUMENT = fileURLToPath(new URL("../../../../docs/keys.md", import.meta.url));

/** Every key and channel that the two documents name. */
const DOCUMENTED_KEYS = [
  "connections:{connectionId}",
  "connections:{userId}",
  "online:users",
  "rooms:{sessionId}",
  "game:{gameId}:players",
  "game:{gameId}:session",
  "servers:{serverId}",
  "server:{instanceId}:heartbeat",
];
const DOCUMENTED_CHANNELS = ["room:{sessionId}", "game:{gameId}:events", "presence:updates", "server:{serverId}"];

const HOUR_MS = 3_600_000;
const GRACE_MS = 60_000;

/** Beats and probes take their time on a busy machine. */
const WAIT = { timeout: 10_000 };

const LIVES_MS: Readonly<Record<string, number>> = {
  "1 min": 60_000,
  "1 h": HOUR_MS,
  "2 h": 2 * HOUR_MS,
  "24 h": 24 * HOUR_MS,
};

/** What a name of the document may stand for. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  "<server>": "(?:one|two)",
  "<shelf>": "\\d+",
  "<room tag>": "r\\.\\w+",
  "<user tag>": "u\\.\\w+",
  "<partition>": "p\\d+",
  "<id>": "\\S+",
};

/** The rows of the first table under a heading, less its head; each name without its marks. */
function tableUnder(page: string, heading: string): string[][] {
  const [section = ""] = (page.split(`\n## ${heading}\n`)[1] ?? "").split("\n## ");
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`([^`]+)`$/, "$1")),
  );
}

/** What matches a name of the document, with any room or a certain one. */
function patternOf(name: string, prefix: string, room = "[^]+"): RegExp {
  const text = name
    .replace(/^cm:/, `${prefix}:`)
    .split(/(<[^>]+>)/)
    .map((part) => (part === "<room>" ? room : (PLACEHOLDERS[part] ?? part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))))
    .join("");
  return new RegExp(`^${text}$`);
}

/** Two servers on one Redis where ann plays, bob watches, eve has just gone and a third server died. */
async function play() {
  const [url, prefix] = [inject("redisUrl"), freshPrefix()];
  const port = Number(new URL(url).port);
  const messages = new Set<string>();
  const listener = await RespConnection.open(port);
  onTestFinished(() => listener.close());
  await listener.command("PSUBSCRIBE", `${prefix}:*`);
  listener.onUnasked((message) => Array.isArray(message) && messages.add(String(message[2])));

  const start = async (serverInstance: string, heartbeatTTL: number) => {
    const store = createRedisStore({ url, prefix, onError: () => undefined });
    await store.start();
    onTestFinished(() => store.close());
    const manager = await createConnectionManager({
      store,
      serverInstance,
      heartbeatInterval: 200,
      heartbeatTTL,
      offlineGraceMs: GRACE_MS,
      onError: () => undefined,
    });
    onTestFinished(() => manager.shutdown());
    return { manager, store };
  };
  const [{ manager: one }, { manager: two }, three] = [
    await start("one", 30),
    await start("two", 30),
    await start("three", 0.5),
  ];
  await two.onGameEvent("chess", () => undefined).ready;
  await one.connect("ann", "tab");
  await two.connect("ann", "phone");
  await two.connect("bob", "tv");
  await one.joinGame("ann", "chess");
  await two.joinGame("ann", "chess");
  await two.spectateGame("bob", "chess");
  await two.connect("eve", "tab");
  await two.disconnect("eve", "tab");
  await two.connect("kim", "tab");
  await two.disconnect("kim", "tab", { signOff: true });
  await one.broadcast("chess", gameEvent("game-move"));
  // ann's other sockets are asked to leave over the servers' channels.
  await one.leaveGame("ann", "go");
  await two.leaveGame("ann", "go");
  await three.store.close();
  // Buried by then; not the count, since a heartbeat may have been first.
  await expect
    .poll(() => one.cleanupStaleConnections().then(() => askRedis(port, "EXISTS", `${prefix}:{servers}:reaped`)), WAIT)
    .toBe(1);
  return { url, port, prefix, messages, one };
}

describe("docs/keys.md", () => {
  let page: string;

  beforeAll(async () => {
    page = await readFile(DOCUMENT, "utf8");
  });

  it("names every documented key and channel once", () => {
    expect(tableUnder(page, "Keys").map(([name]) => name)).toEqual(DOCUMENTED_KEYS);
    expect(tableUnder(page, "Channels").map(([name]) => name)).toEqual(DOCUMENTED_CHANNELS);
  });

  it("says of every key that is there what it is called, its type and how long it lives, and leaves none out", async () => {
    const { url, port, prefix } = await play();
    const keys = await keysUnder(url, `${prefix}:`);
    const explained = new Set<string>();
    const rows = [
      ...tableUnder(page, "Keys").map(([, name = "", type, life = ""]) => ({ name, type, life })),
      ...tableUnder(page, "What was not documented").map(([name = "", type, life = ""]) => ({ name, type, life })),
    ];
    for (const { name, type, life } of rows) {
      const found = keys.filter((key) => patternOf(name, prefix, "chess").test(key));
      expect(found, name).not.toEqual([]);
      for (const key of found) {
        expect(await askRedis(port, "TYPE", key), name).toBe(type);
        const leftMs = Number(await askRedis(port, "PTTL", key));
        if (life === "never") {
          expect(leftMs, name).toBe(-1);
        } else {
          const livesMs = LIVES_MS[life] ?? Number.NaN;
          expect(leftMs, name).toBeGreaterThan(livesMs / 2);
          // What holds leaving users outlives their grace period.
          expect(leftMs, name).toBeLessThanOrEqual(livesMs + GRACE_MS);
        }
      }
      for (const key of keys) if (patternOf(name, prefix).test(key)) explained.add(key);
    }
    expect(keys.filter((key) => !explained.has(key))).toEqual([]);
  });

  it("says of every channel that carries something what it is called, and leaves none out", async () => {
    const { prefix, messages } = await play();
    const names = [
      ...tableUnder(page, "Channels").map(([, name = ""]) => name),
      ...[...(page.split("two more channels")[1] ?? "").matchAll(/`(cm:[^`]+)`/g)].map(([, name = ""]) => name),
    ];
    expect(names).toHaveLength(DOCUMENTED_CHANNELS.length + 2);
    await expect
      .poll(
        () => names.filter((name) => ![...messages].some((channel) => patternOf(name, prefix, "chess").test(channel))),
        WAIT,
      )
      .toEqual([]);
    expect([...messages].filter((channel) => !names.some((name) => patternOf(name, prefix).test(channel)))).toEqual([]);
  });

  it("says where every documented field is", async () => {
    const { url, port, prefix, one } = await play();
    const keys = await keysUnder(url, `${prefix}:`);
    const rows = tableUnder(page, "Fields");
    const homes = new Map(tableUnder(page, "Keys").map(([name = "", here = ""]) => [name, here]));
    let documented = "";
    const named: string[] = [];
    for (const [name = "", field = "", here = ""] of rows) {
      documented = name === "" ? documented : name;
      named.push(`${documented} ${field}`);
      const hashField = /^field `(\w+)`$/.exec(here)?.[1];
      if (hashField === undefined) continue;
      const found = keys.filter((key) => patternOf(homes.get(documented) ?? "", prefix, "chess").test(key));
      expect(found, documented).not.toEqual([]);
      for (const key of found) expect(await askRedis(port, "HEXISTS", key, hashField), field).toBe(1);
    }
    const fields = Object.entries({
      "connections:{connectionId}": ["userId", "serverId", "timestamp", "rooms"],
      "servers:{serverId}": ["serverId", "host", "port", "lastHeartbeat", "activeConnections"],
      "game:{gameId}:session": Object.keys((await one.getSession("chess")) ?? {}),
    });
    const expected = fields.flatMap(([name, ofName]) => ofName.map((field) => `${name} ${field}`));
    expect(named.toSorted()).toEqual(expected.toSorted());
    // Those that are no fields of their own.
    const shelf = keys.find((key) => key.startsWith(`${prefix}:{one}:connections:`)) ?? "";
    const [record] = (await askRedis(port, "HVALS", shelf)) as string[]; // HVALS answers with texts.
    const [userId, connectedAt = "", later, ...rooms] = JSON.parse(record ?? "") as string[]; // As the page says.
    expect([userId, rooms]).toEqual(["ann", ["chess"]]);
    expect(Math.abs(Number.parseInt(connectedAt, 36) - Date.now())).toBeLessThan(60_000);
    expect(Number.parseInt(later ?? "", 36)).toBeGreaterThanOrEqual(0);
    expect(await one.getSession("chess")).toMatchObject({ players: ["ann"], spectators: ["bob"] });
    expect(
      keys.filter((key) => patternOf("cm:{<room tag>}:rooms:<room>", prefix, "\0spectators\0chess").test(key)),
    ).toHaveLength(1);
  });
});
