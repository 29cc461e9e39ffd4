import { join } from "node:path";
import { parseArgs } from "node:util";
import { cleanEnvironment, mustRun, runAsProgram, runCommand } from "../child-commands.mjs";
import { freePort } from "../free-port.mjs";
import { ensureProgram } from "../setup/debian-programs.mjs";
import { setup } from "../setup/setup.mjs";
import { ROOT, SetupError } from "../workspace.mjs";
import { atExit, findImage, requireEngine } from "./docker-engine.mjs";
import { buildImage, NODE_IMAGE } from "./gateway-image.mjs";
import { importHaproxy, importNode, importRedis } from "./host-image.mjs";

const USAGE = `Usage: npm run compose -- [options]

  --image NAME  tries this image of the gateway, and builds none`;

const COMPOSE_FILE = join(ROOT, "deploy", "compose.yml");
const CHECKS = join(ROOT, "tooling", "balancers");

/** The images that the compose file needs in addition to the gateway. */
const REDIS_IMAGE = "redis:7-alpine";
const HAPROXY_IMAGE = "haproxy:2.8-alpine";

/** Starts deploy/compose.yml on a container engine, and tests clients behind its HAProxy: `npm run compose`. */
await runAsProgram(import.meta.url, async (args) => {
  const named = readImage(args);
  await requireEngine("deploy/compose.yml is tried on one");
  const compose = await findCompose();
  await setup();
  const image = named ?? "cm-gateway";
  if (named === undefined) await buildImage(image, await findImage(NODE_IMAGE, importNode));
  const port = await freePort();
  const env = cleanEnvironment({
    GATEWAY_IMAGE: image,
    REDIS_IMAGE: await findImage(REDIS_IMAGE, importRedis),
    HAPROXY_IMAGE: await findImage(HAPROXY_IMAGE, importHaproxy),
    CLIENT_PORT: String(port),
    OPEN_FILES: await openFiles(image),
  });
  const [program, ...before] = [...compose, "--project-name", `cm-compose-${process.pid}`, "--file", COMPOSE_FILE];
  const run = (what, ...more) => mustRun(what, program, [...before, ...more], { env });
  const down = atExit(program, [...before, "down", "--volumes", "--timeout", "1"], { env });
  let code;
  try {
    console.log(`- starting ${COMPOSE_FILE}`);
    await run("compose up", "up", "--detach");
    const vitest = [join(ROOT, "node_modules", "vitest", "vitest.mjs"), "run", "--root", CHECKS];
    ({ code } = await runCommand(process.execPath, [...vitest, "--config", "vitest.compose.config.ts"], {
      show: true,
      env: { ...env, COMPOSE: JSON.stringify([program, ...before]), CLIENT_URL: `ws://127.0.0.1:${port}/ws` },
    }));
    if (code !== 0) console.error(await run("compose logs", "logs", "--no-color", "--tail", "40"));
  } finally {
    down();
  }
  process.exit(code);
});

function readImage(args) {
  try {
    return parseArgs({ args, options: { image: { type: "string" } } }).values.image;
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/**
 * Returns the command of Docker's own Compose or, without it, of the older program `docker-compose`, which Debian
 * 12 has.
 */
async function findCompose() {
  if ((await runCommand("docker", ["compose", "version"])).code === 0) return ["docker", "compose"];
  await ensureProgram("docker-compose", "docker-compose");
  return ["docker-compose"];
}

/**
 * The limit of open files for the compose file: 65,536, or the engine's own limit if it has no permission to
 * raise limits.
 */
async function openFiles(image) {
  const wanted = "65536";
  const args = ["run", "--rm", "--network", "none", "--entrypoint", "node"];
  if ((await runCommand("docker", [...args, "--ulimit", `nofile=${wanted}`, image, "--version"])).code === 0)
    return wanted;
  const limits = await mustRun("docker run", "docker", [
    ...args,
    image,
    "-p",
    "fs.readFileSync('/proc/self/limits', 'utf8')",
  ]);
  const limit = /^Max open files +\d+ +(\d+)/m.exec(limits)?.[1];
  if (limit === undefined) throw new SetupError(`The image does not say how many files may be open:\n${limits}`);
  console.log(`- the engine can't raise the limit of open files to ${wanted}: ${limit}`);
  return limit;
}
