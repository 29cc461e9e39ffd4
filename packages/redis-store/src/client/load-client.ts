import { CmError } from "@cm/protocol";

/**
 * Loads the part that needs ioredis; programs that never start a store need not install ioredis. Rejects with
 * `options-invalid` if it is not installed.
 */
export async function loadClient(): Promise<typeof import("./redis-connections.js")> {
  try {
    return await import("./redis-connections.js");
  } catch (cause) {
    throw isMissing(cause, "ioredis") ? clientMissing(cause) : cause;
  }
}

/** Whether the error says that this package is not installed. Node names the package only in the message. */
function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes(`package '${name}'`);
}

function clientMissing(cause: unknown): CmError {
  const problem = "needs ioredis, a peer dependency that is not installed: npm install ioredis";
  return new CmError("options-invalid", `A store on Redis ${problem}.`, { cause, details: { field: "url", problem } });
}
