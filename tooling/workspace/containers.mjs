import { join } from "node:path";
import { findOnPath, mustRun, runAsProgram, runCommand, runInFront } from "./command.mjs";
import { importHostImage } from "./host-image.mjs";
import { setup } from "./setup.mjs";
import { ROOT, SetupError } from "./workspace.mjs";

/** What the tests start by default; see `docker-launcher.ts` of the test kit. */
const IMAGE = "redis:7-alpine";

/** Where an image that this machine's own redis-server makes is kept in the engine. */
const IMAGE_FROM_HERE = "cm-redis-from-here";

/** A pull that takes longer has no registry to pull from. */
const PULL_TIMEOUT_MS = 120_000;

/** A single Redis, a Cluster and Sentinels, restarted, killed and failed over; and every script. */
const TESTS = [
  "tooling/test-kit/src/redis/redis-fixture.redis.test.ts",
  "packages/redis-store/src/scripts/scripts.redis.test.ts",
  "packages/redis-store/src/client/failover.redis.test.ts",
];

/** A container takes seconds to start on a busy machine, a process milliseconds; some tests start five. */
const TIMEOUTS = ["--testTimeout=120000", "--hookTimeout=120000"];

/** Runs some tests with Redis in containers, and in no other way: `npm run test:containers`. */
await runAsProgram(import.meta.url, async (args) => {
  const { code, output } = await runCommand("docker", ["version"]).catch((error) => ({
    code: 1,
    output: error.message,
  }));
  if (code !== 0) {
    throw new SetupError(
      `${output.trimEnd()}\n\nNo Docker engine answers. These tests start Redis in containers and do nothing without one: ` +
        "start Docker, or name an engine in DOCKER_HOST. `npm test` needs none.",
    );
  }
  await setup();
  const image = await findImage();
  console.log(`- Redis in containers of ${image}`);
  const env = {
    ...process.env,
    REDIS_LAUNCHER: "docker",
    REDIS_IMAGE: image,
    // The containers have the host's network. Without this testcontainers asks for the gateway of a bridge, which
    // an engine may not have.
    TESTCONTAINERS_HOST_OVERRIDE: process.env.TESTCONTAINERS_HOST_OVERRIDE ?? "127.0.0.1",
  };
  // Where no image can be pulled, neither can that of Ryuk, which cleans up after a killed test run.
  if (image === IMAGE_FROM_HERE) env.TESTCONTAINERS_RYUK_DISABLED = "true";
  const tests = args.length > 0 ? args : TESTS;
  await runInFront(join(ROOT, "node_modules", "vitest", "vitest.mjs"), ["run", ...TIMEOUTS, ...tests], { env });
});

/** The image that the engine has, or can pull; else one that is made of this machine's redis-server. */
async function findImage() {
  if ((await runCommand("docker", ["image", "inspect", IMAGE])).code === 0) return IMAGE;
  console.log(`- pulling ${IMAGE}`);
  if ((await runCommand("docker", ["pull", IMAGE], { timeoutMs: PULL_TIMEOUT_MS })).code === 0) return IMAGE;
  console.log(`- ${IMAGE} can't be pulled: making ${IMAGE_FROM_HERE} of this machine's redis-server`);
  await ensureRedis();
  return importHostImage(IMAGE_FROM_HERE, {
    "redis-server": requireProgram("redis-server"),
    // What the container begins with.
    sh: requireProgram("sh"),
    touch: requireProgram("touch"),
  });
}

/** Installs redis-server from Debian where there is none, without starting it. */
async function ensureRedis() {
  if (findOnPath(["redis-server"]) !== undefined) return;
  if (process.getuid?.() !== 0 || findOnPath(["apt-get"]) === undefined) return;
  console.log("- installing redis-server with apt-get");
  const options = { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" } };
  await mustRun("apt-get update", "apt-get", ["update"], options);
  const install = ["install", "-y", "--no-install-recommends", "redis-server"];
  await mustRun("apt-get install", "apt-get", install, options);
}

function requireProgram(name) {
  const file = findOnPath([name]);
  if (file !== undefined) return file;
  throw new SetupError(`${IMAGE} can't be pulled, and no ${name} is on the PATH to make an image of.`);
}
