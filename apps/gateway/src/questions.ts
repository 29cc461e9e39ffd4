import { CmError, decodeUtf8, encodeUtf8 } from "@cm/protocol";
import type { QuestionHandler } from "@cm/router";

/** What any server of the cluster may ask all gateways: the text `stats`. */
const STATISTICS = "stats";

/** Answers with what `/stats` says, as JSON. Anything else is refused with `operation-unknown`. */
export function createQuestionHandler(statistics: () => unknown): QuestionHandler {
  return async (question) => {
    if (decodeUtf8(question) === STATISTICS) return encodeUtf8(JSON.stringify(statistics()));
    throw new CmError("operation-unknown", "This gateway has no answer to that question.");
  };
}
