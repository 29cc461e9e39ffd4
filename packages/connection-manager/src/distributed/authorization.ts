import { CmError, toCmError } from "@cm/protocol";
import type { VerifyToken } from "./distributed-options.js";

/**
 * Maximum time for verifying a token, in milliseconds. It is bounded because the waiting client
 * occupies a socket.
 */
const DEADLINE_MS = 10_000;

/**
 * Resolves if the token allows the user to use the socket. Rejects with `unauthorized`, `timeout`,
 * `internal`, or the `CmError` that `verifyToken` threw.
 */
export async function authorize<S>(
  verifyToken: VerifyToken<S> | undefined,
  token: unknown,
  userId: string,
  socket: S,
): Promise<void> {
  if (verifyToken === undefined) return;
  if (typeof token !== "string") throw new CmError("unauthorized", "The request must carry a token.");
  if ((await withDeadline(ask(verifyToken, token, userId, socket))) !== true) {
    throw new CmError("unauthorized", "The token is not valid.");
  }
}

async function ask<S>(verifyToken: VerifyToken<S>, token: string, userId: string, socket: S): Promise<unknown> {
  try {
    return await verifyToken(token, userId, socket);
  } catch (cause) {
    throw toCmError(cause, "internal", "The token could not be verified.");
  }
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CmError("timeout", "The token was not verified in time.")), DEADLINE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
