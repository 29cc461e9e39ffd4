import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mustRun, pnpmCommand, runAsProgram } from "../child-commands.mjs";
import { setup } from "../setup/setup.mjs";
import { publishablePackages, ROOT, SetupError } from "../workspace.mjs";
import { atExit, requireEngine } from "./docker-engine.mjs";
import { importNode } from "./host-image.mjs";

/** The default base image of the Dockerfile, which says why it is this one. */
export const NODE_IMAGE = "node:20-bookworm-slim";

const USAGE = `Usage: npm run image -- [options]

  --tag NAME        the image's name (cm-gateway)
  --node IMAGE      the image with Node.js that it stands on (${NODE_IMAGE})
  --base-from-here  makes that image from this machine's own Node.js and libraries, where none can be pulled
  --try             runs the image once it is built: health, user, drain and size`;

/**
 * Maximum size, in MiB, that the gateway and its dependencies add to the base: 19 were measured, half of them of
 * uWebSockets.js.
 */
const MAX_ADDED_MEGABYTES = 30;

/** Settings of the container that is tested; SHUTDOWN_TIMEOUT_MS has the gateway's default. */
const DRAIN_SECONDS = 2;
const SHUTDOWN_SECONDS = 10;

/** Makes the container image of the gateway: `npm run image`. */
await runAsProgram(import.meta.url, async (args) => {
  const options = readOptions(args);
  await requireEngine("the image is built by one");
  await setup();
  const base = options.baseFromHere ? await importNode() : options.node;
  await buildImage(options.tag, base);
  if (options.try) await tryImage(options.tag, base);
});

/** Builds the image with deploy/Dockerfile from this checkout's packages, on the given base. */
export async function buildImage(tag, base) {
  const folder = await mkdtemp(join(tmpdir(), "cm-image-"));
  try {
    const { abi, arch } = await nodeOf(base);
    const app = join(folder, "app");
    await installPacked(folder, app);
    await keepOneBinary(app, `uws_linux_${arch}_${abi}.node`);
    await cp(join(ROOT, "deploy", "Dockerfile"), join(folder, "Dockerfile"));
    await mustRun("docker build", "docker", [
      // The build downloads nothing, and some engines have no network for builds.
      ...["build", "--network", "none", "--build-arg", `NODE_IMAGE=${base}`],
      ...["--tag", tag, "--file", join(folder, "Dockerfile")],
      ...[folder],
    ]);
    console.log(`Built ${tag} on ${base}.`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function readOptions(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        tag: { type: "string", default: "cm-gateway" },
        node: { type: "string", default: NODE_IMAGE },
        "base-from-here": { type: "boolean", default: false },
        try: { type: "boolean", default: false },
      },
    });
    return { tag: values.tag, node: values.node, baseFromHere: values["base-from-here"], try: values.try };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/** Installs the gateway as from a registry, together with uWebSockets.js, but from this checkout's packages. */
async function installPacked(folder, app) {
  const tarballs = join(folder, "tarballs");
  const packages = withDependencies("@cm/gateway");
  const filters = packages.flatMap(({ manifest }) => ["--filter", manifest.name]);
  await mustRun("pnpm pack", ...pnpmCommand([...filters, "-r", "pack", "--pack-destination", tarballs]));
  const workspace = await readFile(join(ROOT, "pnpm-workspace.yaml"), "utf8");
  const [, native] = /^ {2}uWebSockets\.js: (\S+)$/m.exec(workspace) ?? [];
  if (native === undefined) throw new SetupError("pnpm-workspace.yaml does not say which uWebSockets.js it is.");
  const own = packages.map(({ manifest: { name, version } }) => [
    name,
    `file:${join(tarballs, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)}`,
  ]);
  const dependencies = { ...Object.fromEntries(own), "uWebSockets.js": native };
  await mkdir(app);
  await writeFile(join(app, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  await mustRun("npm install", "npm", ["install", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"], {
    cwd: app,
  });
  await rm(tarballs, { recursive: true });
}

/** A package of the workspace and all workspace packages that it needs at run time. */
export function withDependencies(name, packages = publishablePackages()) {
  const known = new Map(packages.map((each) => [each.manifest.name, each]));
  const found = new Set([name]);
  for (const each of found) {
    const { dependencies = {}, peerDependencies = {} } = known.get(each)?.manifest ?? {};
    for (const needed of Object.keys({ ...dependencies, ...peerDependencies }))
      if (known.has(needed)) found.add(needed);
  }
  return packages.filter(({ manifest }) => found.has(manifest.name));
}

async function nodeOf(image) {
  const script = "console.log(JSON.stringify({ abi: process.versions.modules, arch: process.arch }))";
  const args = ["run", "--rm", "--network", "none", "--entrypoint", "node", image, "-e", script];
  return JSON.parse(await mustRun("node in the image", "docker", args));
}

/**
 * Removes the native libraries that this image does not load: uWebSockets.js comes with 30, and the image uses
 * one.
 */
async function keepOneBinary(app, name) {
  const files = (await readdir(app, { recursive: true })).filter((file) => /(^|\/)uws_[a-z0-9_]+\.node$/.test(file));
  if (!files.some((file) => file.endsWith(`/${name}`)))
    throw new SetupError(`There is no ${name} among ${files.length} libraries.`);
  await Promise.all(files.filter((file) => !file.endsWith(`/${name}`)).map((file) => rm(join(app, file))));
}

/** Tests the image on the loopback address as an operator would run it, and prints the results. */
async function tryImage(tag, base) {
  const name = `cm-gateway-try-${process.pid}`;
  const environment = [
    "LISTEN_HOST=127.0.0.1",
    "ADMIN_HOST=127.0.0.1",
    "PORT=13900",
    "ADMIN_PORT=13901",
    `DRAIN_SECONDS=${DRAIN_SECONDS}`,
  ];
  const removed = atExit("docker", ["rm", "--force", name]);
  await mustRun("docker run", "docker", [
    ...["run", "--detach", "--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL"],
    ...environment.flatMap((each) => ["--env", each]),
    tag,
  ]);
  try {
    const health = await until(async () => (await fetch("http://127.0.0.1:13900/healthz")).status === 200);
    const said = await until(async () => (await inspect(name, "{{.State.Health.Status}}")) === "healthy");
    const uid = (await mustRun("docker exec", "docker", ["exec", name, "node", "-p", "process.getuid()"])).trim();
    const stoppedAt = performance.now();
    // The engine kills a container that takes longer, which shows in the exit code.
    const limit = String(DRAIN_SECONDS + SHUTDOWN_SECONDS);
    await mustRun("docker stop", "docker", ["stop", "--time", limit, name]);
    const stopMs = Math.round(performance.now() - stoppedAt);
    const exit = await inspect(name, "{{.State.ExitCode}}");
    const megabytes = await megabytesOf(tag);
    const added = megabytes - (await megabytesOf(base));
    console.log(JSON.stringify({ health, said, uid, exit, stopMs, megabytes, added }));
    if (!health || !said || uid !== "1000" || exit !== "0" || added > MAX_ADDED_MEGABYTES)
      throw new SetupError("The image does not do what it should.");
  } catch (error) {
    console.log(await mustRun("docker logs", "docker", ["logs", name]));
    throw error;
  } finally {
    removed();
  }
}

async function inspect(name, format) {
  return (await mustRun("docker inspect", "docker", ["inspect", "--format", format, name])).trim();
}

async function megabytesOf(image) {
  return Math.round(Number(await inspect(image, "{{.Size}}")) / 2 ** 20);
}

async function until(holds) {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    if (await holds().catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return false;
}
