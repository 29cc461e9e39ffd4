import { eventually, STORE_LOSSES, startRedis } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { createConnectionManager } from "./game-connection-manager.js";
import { EventRecorder } from "./managers.fixture.js";

describe.concurrent("handlers of a game", () => {
  it.for(Object.entries(STORE_LOSSES))(
    "hear of no player who stays, and of the one who goes, after %s",
    async ([_name, fault], { onTestFinished }) => {
      const redis = await startRedis();
      onTestFinished(() => redis.close());
      const start = async (serverInstance: string) => {
        const manager = await createConnectionManager({
          redisUrl: redis.url,
          serverInstance,
          heartbeatInterval: 800,
          heartbeatTTL: 5,
          offlineGraceMs: 0,
          onError: () => undefined,
        });
        onTestFinished(() => manager.shutdown());
        return manager;
      };
      const [a, b] = [await start("a"), await start("b")];
      const heard = new EventRecorder();
      await b.onGameEvent("chess", heard.handler).ready;
      await Promise.all([a.connect("stays", "1"), a.connect("goes", "2")]);
      await a.joinGame("stays", "chess");
      await a.joinGame("goes", "chess");
      await eventually(() => expect(heard.told).toEqual(["player-joined stays", "player-joined goes"]));
      await fault(redis);
      void a.disconnect("goes", "2").catch(() => undefined); // Retried when Redis is back.
      await eventually(() => expect(heard.told.slice(2)).toEqual(["player-left goes"]), { timeoutMs: 20_000 });
      await eventually(async () => expect(await b.getOnlinePlayers("chess")).toEqual(["stays"]));
      expect(heard.told).toHaveLength(3);
    },
  );
});
