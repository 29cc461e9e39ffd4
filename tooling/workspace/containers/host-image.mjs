import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findOnPath, mustRun } from "../child-commands.mjs";
import { ensureProgram } from "../setup/debian-programs.mjs";
import { SetupError } from "../workspace.mjs";

/** Names of the images that are made from this machine's own programs. */
const NODE_FROM_HERE = "cm-node-from-here";
export const REDIS_FROM_HERE = "cm-redis-from-here";
const HAPROXY_FROM_HERE = "cm-haproxy-from-here";

/** Makes an image of the Node.js of this process. */
export function importNode() {
  return importHostImage(NODE_FROM_HERE, { node: process.execPath, sh: requireProgram("sh") });
}

/** Makes an image of Redis, with the programs that the containers of the tests and of deploy/compose.yml use. */
export async function importRedis() {
  await ensureProgram("redis-server", "redis-server");
  return importHostImage(REDIS_FROM_HERE, {
    "redis-server": requireProgram("redis-server"),
    "redis-cli": requireProgram("redis-cli"),
    sh: requireProgram("sh"),
    touch: requireProgram("touch"),
  });
}

/** Makes an image of HAProxy that is started like the official one: by user 99, with the same configuration file. */
export async function importHaproxy() {
  await ensureProgram("haproxy", "haproxy");
  const command = ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"];
  const settings = [`CMD ${JSON.stringify(command)}`, "USER 99:99"];
  return importHostImage(HAPROXY_FROM_HERE, { haproxy: requireProgram("haproxy") }, settings);
}

/**
 * Makes a container image from programs of this machine and the libraries that they load, for engines that
 * cannot pull one. `programs` maps names in the image's `/usr/bin` to files, `settings` are lines of a
 * Dockerfile. Resolves to the tag.
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
