import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** A program for a separate process, in which `ioredis` can't be loaded. */
const PROGRAM = `
import { register } from "node:module";
register("data:text/javascript," + encodeURIComponent(
  "export async function resolve(name, context, next) {" +
  "  if (name === 'ioredis') throw new Error('ioredis was loaded');" +
  "  return next(name, context); }"
));
const { createConnectionManager, createDistributedConnectionManager } = await import("@cm/connection-manager");
const manager = await createConnectionManager({ onWarning: () => undefined });
await manager.connect("ann", "socket-1");
console.log(JSON.stringify(await manager.getStats()));
await manager.shutdown();
const redis = await createConnectionManager({ redisUrl: "redis://127.0.0.1:1" }).catch((error) => error);
console.log(String(redis.cause ?? redis).includes("ioredis was loaded"));
`;

it("a manager in memory works if ioredis is not installed", async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--no-warnings", "--input-type=module", "-e", PROGRAM],
    { cwd: new URL("..", import.meta.url) },
  );
  expect(stdout.split("\n").slice(0, 2)).toEqual([
    JSON.stringify({ onlineUsers: 1, activeGames: 0, totalConnections: 1 }),
    "true",
  ]);
});
