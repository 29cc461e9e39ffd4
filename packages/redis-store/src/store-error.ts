import { CmError, type ErrorCode, isCmError } from "@cm/protocol";

/**
 * First words of Redis's error replies that pass by themselves: it is starting, failing
 * over, moving slots, out of memory, or held up by a script.
 */
const PASSING = new Set([
  "ASK",
  "BUSY",
  "CLUSTERDOWN",
  "LOADING",
  "MASTERDOWN",
  "MISCONF",
  "MOVED",
  "NOREPLICAS",
  "OOM",
  "READONLY",
  "TRYAGAIN",
  "UNBLOCKED",
]);

/** First words of error replies that say that this client may not: wrong credentials or rights. */
const REFUSING = new Set(["NOAUTH", "NOPERM", "WRONGPASS"]);

/** The first word of an error reply of Redis, which is its code; `undefined` for other errors. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return error.message.split(" ", 1)[0];
}

/**
 * The one place where what Redis or its client say becomes an error of this project.
 * Connections that can't be made or broke are `unavailable`, and so are error replies
 * that pass by themselves; any other error reply is a fault of this package.
 */
export function toStoreError(error: unknown): CmError {
  if (isCmError(error)) return error;
  const code = replyCode(error);
  if (code === undefined || PASSING.has(code)) return failure("unavailable", "Redis can't be reached.", error);
  if (REFUSING.has(code)) return failure("unavailable", `Redis refuses this client: ${code}.`, error);
  return failure("internal", `Redis answered with an error: ${code}.`, error);
}

/** No answer came within the deadline. */
export function storeTimeout(commandTimeoutMs: number): CmError {
  return new CmError("timeout", `Redis did not answer within ${commandTimeoutMs} ms.`, {
    details: { commandTimeoutMs },
  });
}

/** The store is closed, or was never started. */
export function storeClosed(): CmError {
  return new CmError("closed", "The store is closed, or was never started.");
}

function failure(code: ErrorCode, message: string, cause: unknown): CmError {
  return new CmError(code, message, { cause });
}
