import { isCmError } from "@cm/protocol";

/** Resolves with the error code of a call, or `done` if it succeeds. */
export async function codeOf(call: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof call === "function" ? call() : call);
    return "done";
  } catch (error) {
    if (isCmError(error)) return error.code;
    throw error;
  }
}
