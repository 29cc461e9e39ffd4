import { CmError } from "@cm/protocol";

/** The module that `ws` exports. */
export type WsModule = typeof import("ws");

/**
 * Loads `ws`. Called by `start()`, not on import, so that a program without `ws` gets an error with a code.
 * Rejects with `options-invalid` if `ws` is not installed.
 */
export async function loadWs(load: () => Promise<WsModule> = () => import("ws")): Promise<WsModule> {
  try {
    return await load();
  } catch (cause) {
    throw isMissing(cause) ? peerMissing(cause) : cause;
  }
}

/** Whether `ws` is not installed. Node.js names the missing package only in the error's message. */
function isMissing(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes("package 'ws'");
}

function peerMissing(cause: unknown): CmError {
  const problem = "needs ws, a peer dependency that is not installed: npm install ws";
  return new CmError("options-invalid", `A server on ws ${problem}.`, { cause, details: { field: "ws", problem } });
}
