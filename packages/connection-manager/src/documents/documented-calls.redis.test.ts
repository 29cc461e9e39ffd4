import { type RedisServer, startRedis } from "@cm/test-kit";
import { afterAll, beforeAll } from "vitest";
import { describeDocumentedGames } from "./documented-games.fixture.js";
import { describeDocumentedServers, describeDocumentedSockets } from "./documented-sockets.fixture.js";

// Use a separate Redis: the documents set no prefix, so all keys have the default one.
let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

/**
 * Empties Redis. Called before a program starts, because users who were online in the program before
 * must not count.
 */
async function emptied(): Promise<RedisServer> {
  await redis.ask("FLUSHALL");
  return redis;
}

const byUrl = async () => ({ REDIS_URL: (await emptied()).url });

describeDocumentedGames("on Redis by REDIS_URL", async () => ({ REDIS_URL: `${(await emptied()).url}/2` }));
describeDocumentedGames("on Redis by REDIS_HOST, REDIS_PORT and REDIS_DB", async () => ({
  REDIS_HOST: "127.0.0.1",
  REDIS_PORT: String((await emptied()).port),
  REDIS_DB: "1",
}));
describeDocumentedSockets("on Redis", byUrl);
describeDocumentedServers("on Redis", byUrl);
