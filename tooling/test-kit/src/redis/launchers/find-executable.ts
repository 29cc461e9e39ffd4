import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Returns the full path of a program on the PATH, or `undefined` if there is none. */
export async function findOnPath(program: string): Promise<string | undefined> {
  // Also search the folders that Debian leaves out of some users' PATH.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", "/usr/sbin"];
  for (const folder of folders.filter((entry) => entry !== "")) {
    const candidate = join(folder, program);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}
