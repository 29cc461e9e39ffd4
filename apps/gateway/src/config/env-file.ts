import { CmError } from "@cm/protocol";

/**
 * Name of the file in the working directory that contains the settings of one machine. It must not be
 * committed.
 */
const ENV_FILE = ".env.local";

/**
 * Adds the variables of `.env.local` in the working directory to the environment, if the file exists. Variables
 * that are already set keep their values. A worker inherits its parent's environment and does not read the
 * file. Throws `config-invalid` if the file can't be read.
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
