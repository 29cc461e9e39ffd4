import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { mustRun } from "./command.mjs";

/**
 * Makes a container image of programs of this machine and the libraries that they load, where none can
 * be pulled. `programs` are files by the names that they get in the image's `/usr/bin`.
 */
export async function importHostImage(tag, programs) {
  const folder = await mkdtemp(join(tmpdir(), "cm-host-image-"));
  try {
    const root = join(folder, "root");
    await mkdir(join(root, "etc"), { recursive: true });
    for (const [name, file] of Object.entries(programs)) {
      await copyInto(root, file, join("usr", "bin", name));
      const libraries = await mustRun("ldd", "ldd", [file]);
      for (const [, library] of libraries.matchAll(/(\/\S+\.so\S*)/g)) await copyInto(root, library, library);
    }
    const tar = join(folder, "root.tar");
    await mustRun("tar", "tar", ["-C", root, "-cf", tar, "."]);
    await mustRun("docker import", "docker", ["import", "--change", "ENV PATH=/usr/bin", tar, tag]);
    return tag;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyInto(root, file, place) {
  const target = join(root, place);
  await mkdir(dirname(target), { recursive: true });
  await cp(file, target, { dereference: true });
}
