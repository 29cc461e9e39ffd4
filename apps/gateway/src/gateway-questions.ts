import { CmError, decodeUtf8, encodeUtf8, parseName } from "@cm/protocol";
import type { QuestionHandler } from "@cm/router";
import type { Revocation } from "./auth/revocation-list.js";

/** The text of the question for statistics, which any server of the cluster may send to all gateways. */
const STATISTICS = "stats";

/** Prefix of the question that requests a revocation; the revocation follows as JSON. */
const REVOKE = "revoke ";

/** The functions that answer the questions of other gateways. */
export interface QuestionAnswers {
  readonly statistics: () => unknown;
  /** Applies a revocation; returns the number of connections that were closed. */
  readonly revoke: (revocation: Revocation) => number;
}

/** Encodes the question that makes all gateways apply a revocation. */
export function revocationQuestion(revocation: Revocation): Uint8Array {
  return encodeUtf8(REVOKE + JSON.stringify(revocation));
}

/** Returns the number of closed connections in the answer to a {@link revocationQuestion}. */
export function readRevocationAnswer(answer: Uint8Array): number {
  const closed = Number(decodeUtf8(answer));
  return Number.isSafeInteger(closed) && closed > 0 ? closed : 0;
}

/**
 * Creates a handler that answers `stats` with the content of `/stats` as JSON, and a revocation with the number
 * of connections that it closed. Any other question is refused with `operation-unknown`.
 */
export function createQuestionHandler({ statistics, revoke }: QuestionAnswers): QuestionHandler {
  return async (question) => {
    const text = decodeUtf8(question);
    if (text === STATISTICS) return encodeUtf8(JSON.stringify(statistics()));
    const revocation = text?.startsWith(REVOKE) === true ? parseRevocation(text.slice(REVOKE.length)) : undefined;
    if (revocation !== undefined) return encodeUtf8(String(revoke(revocation)));
    throw new CmError("operation-unknown", "This gateway does not know this question.");
  };
}

/** Parses `{"userId":"..."}` or `{"tokenId":"..."}`; `undefined` if it is neither. */
export function parseRevocation(text: string): Revocation | undefined {
  try {
    return readRevocation(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Returns the revocation that a value describes; `undefined` if it names neither a user nor a token. */
export function readRevocation(value: unknown): Revocation | undefined {
  const { userId, tokenId } = Object(value) as Partial<Record<"userId" | "tokenId", unknown>>;
  const user = parseName(userId, "user");
  if (user.ok) return { userId: user.value };
  return typeof tokenId === "string" && tokenId !== "" ? { tokenId } : undefined;
}
