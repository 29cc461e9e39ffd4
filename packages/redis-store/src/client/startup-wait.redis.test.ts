import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RespConnection, startRedisCluster } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createRedisStore, type RedisStore } from "../index.js";
import { outcomeOf, portOf } from "../redis-store.fixture.js";

/** Starts the store, closes it once the condition holds, and expects both calls to end at once. */
async function expectQuickClose(store: RedisStore, isUnderWay: () => boolean): Promise<void> {
  const starting = outcomeOf(store.start());
  await expect.poll(isUnderWay, { timeout: 10_000 }).toBe(true);
  const closedAt = performance.now();
  await store.close();
  expect(performance.now() - closedAt).toBeLessThan(2_000);
  expect(await starting).toBe("closed");
}

it("closes at once while a TLS file is read that never ends", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cm-tls-"));
  const pipe = join(directory, "ca.pem");
  execFileSync("mkfifo", [pipe]);
  let writer: number | undefined;
  onTestFinished(() => {
    if (writer !== undefined) closeSync(writer);
    rmSync(directory, { recursive: true });
  });
  const url = `rediss://127.0.0.1:${portOf(inject("redisUrl"))}?ca=${encodeURIComponent(pipe)}`;
  // A pipe can be opened for writing only once something reads it.
  const isRead = (): boolean => {
    try {
      writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
      return true;
    } catch {
      return false;
    }
  };
  await expectQuickClose(createRedisStore({ url }), isRead);
});

it("closes at once while a master of a Cluster hangs that is being connected to", async () => {
  const cluster = await startRedisCluster({ nodeTimeoutMs: 60_000 });
  onTestFinished(() => cluster.close());
  const [first, , last] = cluster.nodes;
  if (first === undefined || last === undefined) throw new Error("The Cluster has too few nodes.");
  const monitor = await RespConnection.open(first.port);
  onTestFinished(() => monitor.close());
  let isPinged = false;
  await monitor.command("MONITOR");
  monitor.onUnasked((line) => {
    isPinged ||= /"ping"/i.test(String(line));
  });
  await last.pause();
  onTestFinished(() => last.resume());
  // The check would be sent to any node, also to the one that hangs.
  const options = { enableReadyCheck: false };
  const nodes = [{ host: "127.0.0.1", port: first.port }];
  const store = createRedisStore({ cluster: { nodes, options }, commandTimeoutMs: 30_000, startTimeoutMs: 60_000 });
  await expectQuickClose(store, () => isPinged);
});
