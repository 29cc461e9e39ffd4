import { CmError, type ErrorCode, isCmError } from "@cm/protocol";

import { isRefusedInScript, missingPermission } from "./missing-permission.js";

/**
 * First words of Redis's transient error replies: Redis is starting, failing over, moving slots, out of
 * memory, or blocked by a script.
 */
const TRANSIENT = new Set([
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

/** First words of the transient error replies that reject only writes: Redis still serves reads. */
const WRITES_REFUSED = new Set(["MISCONF", "NOREPLICAS", "OOM", "READONLY"]);

/** First words of error replies that reject this client: wrong credentials or missing permissions. */
const REFUSING = new Set(["NOAUTH", "NOPERM", "WRONGPASS"]);

/** The errors with which Redis rejects a client before any command and closes the connection. */
const CLIENT_REJECTIONS: readonly (readonly [start: string, meaning: string])[] = [
  [
    "DENIED",
    "Redis refuses this client: DENIED. It runs in protected mode and takes clients of its own host only; " +
      "give it a password (requirepass), or switch protected-mode off.",
  ],
  ["ERR max number of clients", "Redis refuses this client: it has reached its limit of clients (maxclients)."],
];

/** The first word of a Redis error reply, which is its code; `undefined` for other errors. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  return error.message.split(" ", 1)[0];
}

/** Describes the content of a key of a wrong type. */
export const FOREIGN = "another type of data than this store keeps there";

/** Maximum number of keys that an error names; a script may have hundreds. */
const NAMED_MAX = 3;

/**
 * Converts every error of Redis or of its client to an error of this project. Connections that cannot be made
 * are `unavailable`, and so are transient error replies: nothing was carried out. If a connection breaks
 * while a command is pending, the result is `timeout`; see `PendingCommands`. A key of a wrong type is
 * `store-corrupt`: Redis does not report which key it was, so the error names the keys of the command. Any
 * other error reply is a bug in this package.
 */
export function toStoreError(error: unknown, keys: readonly string[] = []): CmError {
  if (isCmError(error)) return error;
  const code = replyCode(error);
  const rejection = clientRejection(error);
  if (rejection !== undefined) return failure("unavailable", rejection, error);
  if (code === undefined) return failure("unavailable", "Redis can't be reached.", error);
  if (TRANSIENT.has(code)) return failure("unavailable", transientMessage(code), error);
  if (code === "NOPERM" || isRefusedInScript(error)) return refusedRight(error);
  if (REFUSING.has(code)) return failure("unavailable", `Redis refuses this client: ${code}.`, error);
  if (code === "WRONGTYPE") return corrupt(keys, FOREIGN, error);
  return failure("internal", `Redis returned an error: ${code}.`, error);
}

/** Whether Redis rejects every client from this host, before any command. */
export function isClientRejected(error: unknown): boolean {
  return clientRejection(error) !== undefined;
}

/** Whether Redis rejected the command for a reason that is not transient. */
export function isLasting(error: unknown): boolean {
  const code = replyCode(error);
  return code !== undefined && !TRANSIENT.has(code);
}

/** For `awaitAll`: a retryable error should not be hidden by a permanent one. */
export function isRetryable(error: unknown): boolean {
  return isCmError(error) && error.retryable;
}

/** Creates the error for keys of which one holds data that this project did not write. */
export function corrupt(keys: readonly string[], what: string, cause?: unknown): CmError {
  const named = keys.slice(0, NAMED_MAX).join(", ");
  const others = keys.length > NAMED_MAX ? ` and ${keys.length - NAMED_MAX} more` : "";
  const where = keys.length === 1 ? named : `One of the keys ${named}${others}`;
  return new CmError("store-corrupt", `${where} holds ${what}.`, {
    details: { keys: keys.slice(0, NAMED_MAX) },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Creates the error for a command to which no reply arrived within the deadline. */
export function storeTimeout(commandTimeoutMs: number): CmError {
  return new CmError("timeout", `Redis did not answer within ${commandTimeoutMs} ms.`, {
    details: { commandTimeoutMs },
  });
}

/** Creates the error for a command whose connection broke before Redis replied to it. */
export function storeUnanswered(cause: unknown): CmError {
  return new CmError("timeout", "The connection broke before Redis answered; the command may have been executed.", {
    cause,
  });
}

function clientRejection(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  const { message } = error;
  return CLIENT_REJECTIONS.find(([start]) => message.startsWith(start))?.[1];
}

/**
 * The message for a transient error reply. It includes the reply's code, because the code says more than that
 * the command failed.
 */
function transientMessage(code: string): string {
  if (WRITES_REFUSED.has(code)) return `Redis refuses writes for now: ${code}.`;
  return `Redis can't serve this for now: ${code}.`;
}

/**
 * Names the permission that the Redis user lacks, so that an operator need not look up a script by its
 * digest.
 */
function refusedRight(cause: unknown): CmError {
  const missing = missingPermission(cause);
  if (missing === undefined) return failure("unavailable", "Redis refuses this client: NOPERM.", cause);
  const isCommand = missing !== "keys" && missing !== "channels";
  const what = isCommand ? `the command ${missing}` : `one of the ${missing} that are needed`;
  return new CmError("unavailable", `Redis refuses this client: NOPERM. Its user lacks the permission for ${what}.`, {
    cause,
    details: { missing },
  });
}

function failure(code: ErrorCode, message: string, cause: unknown): CmError {
  return new CmError(code, message, { cause });
}
