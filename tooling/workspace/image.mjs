import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mustRun, pnpmCommand, runAsProgram, runCommand } from "./command.mjs";
import { importHostImage } from "./host-image.mjs";
import { setup } from "./setup.mjs";
import { publishablePackages, ROOT, SetupError } from "./workspace.mjs";

const USAGE = `Usage: npm run image -- [options]

  --tag NAME        the image's name (cm-gateway)
  --node IMAGE      the image with Node.js that it stands on (node:22-bookworm-slim)
  --base-from-here  makes that image from this machine's own Node.js and libraries, where none can be pulled
  --try             runs the image once it is built: health, user, drain and size`;

/** Where an image that this machine's own files make is kept in the engine. */
const BASE_FROM_HERE = "cm-node-from-here";

/** Makes the container image of the gateway: `npm run image`. */
await runAsProgram(import.meta.url, async (args) => {
  const options = readOptions(args);
  const { code } = await runCommand("docker", ["version"]);
  if (code !== 0) throw new SetupError("No Docker engine answers, which is needed to build an image.");
  await setup();
  const folder = await mkdtemp(join(tmpdir(), "cm-image-"));
  try {
    const base = options.baseFromHere ? await importBase() : options.node;
    const { abi, arch } = await nodeOf(base);
    const app = join(folder, "app");
    await installPacked(folder, app);
    await keepOneBinary(app, `uws_linux_${arch}_${abi}.node`);
    await cp(join(ROOT, "deploy", "Dockerfile"), join(folder, "Dockerfile"));
    await mustRun("docker build", "docker", [
      ...["build", "--build-arg", `NODE_IMAGE=${base}`, "--tag", options.tag, "--file", join(folder, "Dockerfile")],
      ...[folder],
    ]);
    console.log(`Built ${options.tag}.`);
    if (options.try) await tryImage(options.tag);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function readOptions(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        tag: { type: "string", default: "cm-gateway" },
        node: { type: "string", default: "node:22-bookworm-slim" },
        "base-from-here": { type: "boolean", default: false },
        try: { type: "boolean", default: false },
      },
    });
    return { tag: values.tag, node: values.node, baseFromHere: values["base-from-here"], try: values.try };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/** Installs the gateway as from a registry, with uWebSockets.js beside it, but from this checkout's packages. */
async function installPacked(folder, app) {
  const tarballs = join(folder, "tarballs");
  const packages = publishablePackages();
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

async function nodeOf(image) {
  const script = "console.log(JSON.stringify({ abi: process.versions.modules, arch: process.arch }))";
  const args = ["run", "--rm", "--network", "none", "--entrypoint", "node", image, "-e", script];
  return JSON.parse(await mustRun("node in the image", "docker", args));
}

/** uWebSockets.js comes with 30 native libraries, of which one image loads one. */
async function keepOneBinary(app, name) {
  const files = (await readdir(app, { recursive: true })).filter((file) => /(^|\/)uws_[a-z0-9_]+\.node$/.test(file));
  if (!files.some((file) => file.endsWith(`/${name}`)))
    throw new SetupError(`There is no ${name} among ${files.length} libraries.`);
  await Promise.all(files.filter((file) => !file.endsWith(`/${name}`)).map((file) => rm(join(app, file))));
}

/** An image of Node.js, a shell and what both load, from this machine's files. */
function importBase() {
  return importHostImage(BASE_FROM_HERE, { node: process.execPath, sh: "/bin/sh" });
}

/** Runs the image on the loopback address, as an operator would, and says what it found. */
async function tryImage(tag) {
  const name = `cm-gateway-try-${process.pid}`;
  const environment = [
    "LISTEN_HOST=127.0.0.1",
    "ADMIN_HOST=127.0.0.1",
    "PORT=13900",
    "ADMIN_PORT=13901",
    "DRAIN_SECONDS=2",
  ];
  await mustRun("docker run", "docker", [
    ...["run", "--detach", "--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL"],
    ...environment.flatMap((each) => ["--env", each]),
    tag,
  ]);
  try {
    const health = await until(async () => (await fetch("http://127.0.0.1:13900/healthz")).status === 200);
    const said = await until(async () => (await inspect(name, "{{.State.Health.Status}}")) === "healthy");
    const uid = (await mustRun("docker exec", "docker", ["exec", name, "node", "-p", "process.getuid()"])).trim();
    await mustRun("docker stop", "docker", ["stop", "--time", "20", name]);
    const exit = await inspect(name, "{{.State.ExitCode}}");
    const bytes = Number(await inspect(tag, "{{.Size}}"));
    console.log(JSON.stringify({ health, said, uid, exit, megabytes: Math.round(bytes / 2 ** 20) }));
    if (!health || !said || uid !== "1000" || exit !== "0")
      throw new SetupError("The image does not do what it should.");
  } catch (error) {
    console.log(await mustRun("docker logs", "docker", ["logs", name]));
    throw error;
  } finally {
    await runCommand("docker", ["rm", "--force", name]);
  }
}

async function inspect(name, format) {
  return (await mustRun("docker inspect", "docker", ["inspect", "--format", format, name])).trim();
}

async function until(holds) {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    if (await holds().catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return false;
}
