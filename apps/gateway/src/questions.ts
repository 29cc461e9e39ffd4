import { CmError, decodeUtf8, encodeUtf8, parseName } from "@cm/protocol";
import type { QuestionHandler } from "@cm/router";
import type { Revocation } from "./auth/revocations.js";

/** What any server of the cluster may ask all gateways: the text `stats`. */
const STATISTICS = "stats";

/** In front of a revocation, as JSON. */
const REVOKE = "revoke ";

/** Who answers what gateways ask each other. */
export interface QuestionAnswers {
  readonly statistics: () => unknown;
  /** Takes a revocation; returns the number of connections that were closed. */
  readonly revoke: (revocation: Revocation) => number;
}

/** The question that has all gateways take a revocation. */
export function revocationQuestion(revocation: Revocation): Uint8Array {
  return encodeUtf8(REVOKE + JSON.stringify(revocation));
}

/** The number of closed connections in the answer to a {@link revocationQuestion}. */
export function readRevocationAnswer(answer: Uint8Array): number {
  const closed = Number(decodeUtf8(answer));
  return Number.isSafeInteger(closed) && closed > 0 ? closed : 0;
}

/**
 * Answers `stats` with what `/stats` says, as JSON, and a revocation with the number of
 * connections that it closed. Anything else is refused with `operation-unknown`.
 */
export function createQuestionHandler({ statistics, revoke }: QuestionAnswers): QuestionHandler {
  return async (question) => {
    const text = decodeUtf8(question);
    if (text === STATISTICS) return encodeUtf8(JSON.stringify(statistics()));
    const revocation = text?.startsWith(REVOKE) === true ? parseRevocation(text.slice(REVOKE.length)) : undefined;
    if (revocation !== undefined) return encodeUtf8(String(revoke(revocation)));
    throw new CmError("operation-unknown", "This gateway has no answer to that question.");
  };
}

/** Reads `{"userId":"..."}` or `{"tokenId":"..."}`; `undefined` where it is neither. */
export function parseRevocation(text: string): Revocation | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { userId, tokenId } = Object(value) as Partial<Record<"userId" | "tokenId", unknown>>;
  const user = parseName(userId, "user");
  if (user.ok) return { userId: user.value };
  return typeof tokenId === "string" && tokenId !== "" ? { tokenId } : undefined;
}
