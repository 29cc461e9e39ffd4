import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findOnPath, mustRun } from "./command.mjs";
import { ensureProgram } from "./debian.mjs";
import { SetupError } from "./workspace.mjs";

/** Where images that this machine's own programs make are kept in the engine. */
const NODE_FROM_HERE = "cm-node-from-here";
export const REDIS_FROM_HERE = "cm-redis-from-here";
const HAPROXY_FROM_HERE = "cm-haproxy-from-here";

/** An image of this process's Node.js. */
export function importNode() {
  return importHostImage(NODE_FROM_HERE, { node: process.execPath, sh: requireProgram("sh") });
}

/** An image of Redis, with what containers of the tests and of deploy/compose.yml call. */
export async function importRedis() {
  await ensureProgram("redis-server", "redis-server");
  return importHostImage(REDIS_FROM_HERE, {
    "redis-server": requireProgram("redis-server"),
    "redis-cli": requireProgram("redis-cli"),
    sh: requireProgram("sh"),
    touch: requireProgram("touch"),
  });
}

/** An image of HAProxy, which is started as the official one is: by the user 99, with that file. */
export async function importHaproxy() {
  await ensureProgram("haproxy", "haproxy");
  const command = ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"];
  const settings = [`CMD ${JSON.stringify(command)}`, "USER 99:99"];
  return importHostImage(HAPROXY_FROM_HERE, { haproxy: requireProgram("haproxy") }, settings);
}

/**
 * Makes a container image of programs of this machine and the libraries that they load, where none can
 * be pulled. `programs` are files by the names that they get in the image's `/usr/bin`, `settings` lines of
 * a Dockerfile. Resolves to the tag.
 */
async function importHostImage(tag, programs, settings = []) {
  const folder = await mkdtemp(join(tmpdir(), "cm-host-image-"));
  try {
    const root = join(folder, "root");
    await mkdir(join(root, "etc"), { recursive: true });
    for (const [name, file] of Object.entries(programs)) {
      await copyInto(root, file, join("usr", "bin", name));
      const libraries = await mustRun("ldd", "ldd", [file]);
      for (const [, library] of libraries.matchAll(/(\/\S+\.so\S*)/g)) await copyInto(root, library, library);
    }
    const changes = ["ENV PATH=/usr/bin", ...settings].flatMap((setting) => ["--change", setting]);
    const tar = join(folder, "root.tar");
    await mustRun("tar", "tar", ["-C", root, "-cf", tar, "."]);
    await mustRun("docker import", "docker", ["import", ...changes, tar, tag]);
    return tag;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function requireProgram(name) {
  const file = findOnPath([name]);
  if (file === undefined) throw new SetupError(`No ${name} is on the PATH to make an image of.`);
  return file;
}

async function copyInto(root, file, place) {
  const target = join(root, place);
  await mkdir(dirname(target), { recursive: true });
  await cp(file, target, { dereference: true });
}
