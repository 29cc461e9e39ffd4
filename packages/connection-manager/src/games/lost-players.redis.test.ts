import { createNode } from "@cm/node";
import { askRedis, eventually, type RedisServer, STORE_LOSSES, startRedis } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { createConnectionManager } from "./game-connection-manager.js";

/** Number of players on each of the two servers. */
const PLAYERS_EACH = 20;

const OUTAGE = ["unavailable", "timeout"];

describe.concurrent("readers of rosters and players", () => {
  it.for(Object.entries(STORE_LOSSES))(
    "get all players of two servers or an error, never a part, after %s",
    { timeout: 120_000 },
    async ([_name, fault], { onTestFinished }) => {
      const redis = await startRedis();
      onTestFinished(() => redis.close());
      const start = async (serverInstance: string) => {
        const manager = await createConnectionManager({
          redisUrl: redis.url,
          serverInstance,
          onError: () => undefined,
        });
        onTestFinished(() => manager.shutdown());
        return manager;
      };
      const managers = [await start("a"), await start("b")];
      const reader = createNode({ redisUrl: redis.url, serverId: "reader", lease: true, onError: () => undefined });
      onTestFinished(() => reader.close());
      await reader.start();
      await Promise.all(
        managers.flatMap((manager) =>
          Array.from({ length: PLAYERS_EACH }, async (_, i) => {
            const userId = `${manager.serverInstance}-${i}`;
            await manager.connect(userId, userId);
            await manager.joinGame(userId, "chess");
          }),
        ),
      );
      const all = 2 * PLAYERS_EACH;
      const reads: Readonly<Record<string, () => Promise<number | undefined>>> = {
        "getOnlinePlayers of a": async () => (await managers[0]?.getOnlinePlayers("chess"))?.length,
        "getOnlinePlayers of b": async () => (await managers[1]?.getOnlinePlayers("chess"))?.length,
        getSession: async () => (await managers[0]?.getSession("chess"))?.players.length,
        roster: async () => (await reader.presence.roster("chess", { limit: 1_000 })).items.length,
        countMembers: () => reader.presence.countMembers("chess"),
        online: async () => (await reader.presence.online({ limit: 1_000 })).items.length,
        countOnline: () => reader.presence.countOnline(),
        "a new watch": async () => {
          let members = 0;
          const watch = await reader.presence.watchRoom("chess", {
            snapshot: (snapshot) => {
              members = snapshot.length;
            },
            change: () => undefined,
          });
          await watch.close();
          return members;
        },
      };
      const results = new Map(Object.keys(reads).map((name) => [name, new Set<unknown>()]));
      const counts = new Map(Object.keys(reads).map((name) => [name, 0]));
      let isOver = false;
      const readers = Object.entries(reads).map(async ([name, read]) => {
        while (!isOver) {
          results.get(name)?.add(await read().catch(({ code }) => code));
          counts.set(name, (counts.get(name) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      });
      const readEach = async (times: number): Promise<void> => {
        const before = new Map(counts);
        await eventually(
          () => {
            for (const [name, count] of counts) {
              expect([name, count - (before.get(name) ?? 0) >= times]).toEqual([name, true]);
            }
          },
          { timeoutMs: 60_000 },
        );
      };
      await readEach(1);
      // A server waits for those others that it knows to send signs of life. After two signs of each, all do.
      await signOfEach(redis, 3);
      await signOfEach(redis, 3);
      await fault(redis);
      await readEach(5);
      isOver = true;
      await Promise.all(readers);
      for (const [name, seen] of results) {
        const shown = [...seen].filter((result) => !OUTAGE.includes(String(result)));
        expect([name, ...shown]).toEqual([name, all]);
      }
    },
  );
});

/** Waits until the given number of servers have each sent a sign of life later than those sent so far. */
async function signOfEach(redis: RedisServer, servers: number): Promise<void> {
  const signs = async (): Promise<Map<string, number>> => {
    const reply = await askRedis(redis.port, "ZRANGE", "cm:{servers}.signs", "0", "-1", "WITHSCORES");
    const texts = Array.isArray(reply) ? reply.map(String) : [];
    return new Map(texts.flatMap((text, i) => (i % 2 === 0 ? [[text, Number(texts[i + 1])] as const] : [])));
  };
  const before = Math.max(0, ...(await signs()).values());
  await eventually(
    async () => {
      const after = [...(await signs()).values()].filter((at) => at > before);
      expect(after).toHaveLength(servers);
    },
    { timeoutMs: 30_000 },
  );
}
