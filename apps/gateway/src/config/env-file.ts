import { CmError } from "@cm/protocol";

/** Settings of one machine, beside the program's working directory; not for a repository. */
export const ENV_FILE = ".env.local";

/**
 * Adds the variables of `.env.local` in the working directory to the environment, where there
 * is one. What is set already stays. A worker has its parent's environment, and reads no file.
 * Throws `config-invalid` where the file can't be read.
 */
export function loadEnvFile(): void {
  if (process.env.CM_WORKER !== undefined) return;
  try {
    process.loadEnvFile(ENV_FILE);
  } catch (cause) {
    const { code } = Object(cause) as { readonly code?: string };
    if (code === "ENOENT") return;
    throw new CmError("config-invalid", `${ENV_FILE} can't be read (${code}).`, { cause });
  }
}
