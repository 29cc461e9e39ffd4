import { createMemoryStore } from "@cm/memory-store";
import { askRedis, freePort, freshPrefix, keysUnder } from "@cm/test-kit";
import { afterEach, expect, inject, it, onTestFinished, vi } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import { getConnectionManager, initializeConnectionManager } from "./connection-manager-singleton.js";

const redisUrl = inject("redisUrl");
const VARIABLES = ["REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"];

// Environment variables of the machine must not influence the tests.
for (const name of VARIABLES) vi.stubEnv(name, undefined);

afterEach(async () => {
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
  await initializeConnectionManager()
    .then((manager) => manager.shutdown())
    .catch(() => undefined);
});

it("is available once it is initialized, and the same object for all concurrent callers", async () => {
  expect(await codeOf(getConnectionManager)).toBe("not-initialized");
  const calls = [initializeConnectionManager(), initializeConnectionManager()];
  expect(await codeOf(getConnectionManager)).toBe("not-initialized");
  const [first, second] = await Promise.all(calls);
  expect(second).toBe(first);
  expect(getConnectionManager()).toBe(first);
  expect(await initializeConnectionManager({})).toBe(first);
});

it("refuses to be initialized with other options, and takes the same ones again", async () => {
  const options = { serverInstance: "one", offlineGraceMs: 0 };
  const manager = await initializeConnectionManager(options);
  expect(await initializeConnectionManager({ ...options })).toBe(manager);
  expect(await initializeConnectionManager()).toBe(manager);
  expect(await codeOf(initializeConnectionManager({ serverInstance: "one" }))).toBe("already-initialized");
  expect(await codeOf(initializeConnectionManager({ ...options, offlineGraceMs: 1 }))).toBe("already-initialized");
  expect(getConnectionManager()).toBe(manager);
});

it("can be initialized again after its shutdown, with the same server id at once", async () => {
  const first = await initializeConnectionManager({ redisUrl, prefix: freshPrefix(), serverInstance: "one" });
  const ended = first.shutdown();
  expect(await codeOf(getConnectionManager)).toBe("not-initialized");
  const second = await initializeConnectionManager({ redisUrl, prefix: freshPrefix(), serverInstance: "one" });
  expect(second).not.toBe(first);
  expect(getConnectionManager()).toBe(second);
  await ended;
});

it("can be tried again after it failed to start", async () => {
  const away = `redis://127.0.0.1:${await freePort()}`;
  const store = createMemoryStore();
  await store.close();
  expect(await codeOf(initializeConnectionManager({ store }))).toBe("closed");
  expect(await codeOf(initializeConnectionManager({ redisUrl: `${away}/x` }))).toBe("options-invalid");
  expect(await codeOf(getConnectionManager)).toBe("not-initialized");
  const manager = await initializeConnectionManager();
  expect(manager.isReady()).toBe(true);
});

it("finds Redis through the environment, unless an option names it", async () => {
  const prefix = freshPrefix();
  const { hostname, port } = new URL(redisUrl);
  vi.stubEnv("REDIS_HOST", hostname);
  vi.stubEnv("REDIS_PORT", port);
  const manager = await initializeConnectionManager({ prefix });
  expect(await keysUnder(redisUrl, `${prefix}:`)).toContain(`${prefix}:layout`);
  await manager.shutdown();

  const elsewhere = freshPrefix();
  vi.stubEnv("REDIS_URL", `redis://127.0.0.1:${await freePort()}`);
  const told = await initializeConnectionManager({ redisUrl, prefix: elsewhere });
  expect(await keysUnder(redisUrl, `${elsewhere}:`)).toContain(`${elsewhere}:layout`);
  await told.shutdown();
  for (const key of await keysUnder(redisUrl, `${prefix}:`)) await askRedis(Number(port), "DEL", key);

  const store = createMemoryStore();
  await store.start();
  onTestFinished(() => store.close());
  const third = await initializeConnectionManager({ store });
  expect((await store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual([third.serverInstance]);
});
