import { readFile } from "node:fs/promises";
import { CmError } from "@cm/protocol";

/** What a process opens beside its connections: upgrades and requests under way, Redis, logs. */
const OTHER_FILES = 256;

/** How many files this process may have open at a time, connections among them; undefined where nothing says so. */
async function openFileLimit(): Promise<number | undefined> {
  let limits: string;
  try {
    limits = await readFile("/proc/self/limits", "latin1");
  } catch {
    // Only Linux has it.
    return undefined;
  }
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/**
 * A warning where the process may not open as many files as it takes connections. The native
 * layer does not report an accept that fails for it, and tries again without a pause: the
 * process is busy with nothing, and clients wait, until a file is closed.
 */
export async function openFilesWarning(maxConnections: number): Promise<CmError | undefined> {
  const limit = await openFileLimit();
  const needed = maxConnections + OTHER_FILES;
  if (limit === undefined || limit >= needed) return undefined;
  return new CmError(
    "options-invalid",
    `maxConnections is ${maxConnections}, but this process may open ${limit} files, and each connection is one. ` +
      `Raise the limit to ${needed} or more (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker), or lower maxConnections.`,
    { details: { field: "maxConnections", maxConnections, openFiles: limit, needed } },
  );
}
