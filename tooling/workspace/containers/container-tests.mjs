import { join } from "node:path";
import { runAsProgram, runInFront } from "../child-commands.mjs";
import { setup } from "../setup/setup.mjs";
import { ROOT } from "../workspace.mjs";
import { findImage, requireEngine } from "./docker-engine.mjs";
import { importRedis, REDIS_FROM_HERE } from "./host-image.mjs";

/** The default image of the tests; see `docker-launcher.ts` of the test kit. */
const IMAGE = "redis:7-alpine";

/** Tests that restart, kill and fail over a single Redis, a Cluster and Sentinels, and a test of every script. */
const TESTS = [
  "tooling/test-kit/src/redis/redis-fixture.redis.test.ts",
  "packages/redis-store/src/scripts/scripts.redis.test.ts",
  "packages/redis-store/src/client/failover.redis.test.ts",
];

/** On a busy machine, a container takes seconds to start instead of milliseconds; some tests start five. */
const TIMEOUTS = ["--testTimeout=120000", "--hookTimeout=120000"];

/** Runs some tests with Redis in containers only: `npm run test:containers`. */
await runAsProgram(import.meta.url, async (args) => {
  await requireEngine("these tests start Redis in containers; `npm test` needs none");
  await setup();
  const image = await findImage(IMAGE, importRedis);
  console.log(`- Redis in containers of ${image}`);
  const env = {
    ...process.env,
    REDIS_LAUNCHER: "docker",
    REDIS_IMAGE: image,
    // The containers use the host's network. Without this variable, testcontainers looks for the gateway of a
    // bridge, which an engine may not have.
    TESTCONTAINERS_HOST_OVERRIDE: process.env.TESTCONTAINERS_HOST_OVERRIDE ?? "127.0.0.1",
  };
  // If no image can be pulled, neither can that of Ryuk, which cleans up after a killed test run.
  if (image === REDIS_FROM_HERE) env.TESTCONTAINERS_RYUK_DISABLED = "true";
  const tests = args.length > 0 ? args : TESTS;
  await runInFront(join(ROOT, "node_modules", "vitest", "vitest.mjs"), ["run", ...TIMEOUTS, ...tests], { env });
});
