import { readFile } from "node:fs/promises";
import { CmError } from "@cm/protocol";

/** Number of files that a process opens besides its connections: upgrades and requests in progress, Redis, logs. */
const OTHER_FILES = 256;

/**
 * Maximum number of files that this process may have open, including connections; `undefined` if it is not
 * known.
 */
async function openFileLimit(): Promise<number | undefined> {
  let limits: string;
  try {
    limits = await readFile("/proc/self/limits", "latin1");
  } catch {
    // The file exists only on Linux.
    return undefined;
  }
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/**
 * Returns a warning if the process may open fewer files than `maxConnections` requires. Once it has no files
 * left, it refuses new connections until some are closed, even if there are fewer than `maxConnections`
 * connections; see `AcceptPause`.
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
