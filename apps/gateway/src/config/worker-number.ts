import type { EnvReader } from "./env-reader.js";

/** Upper bound for `WORKERS`: more processes than are useful on any machine. */
export const WORKERS_MAX = 64;

/** Highest number of a worker's start. The start after it has the number 2 again. */
export const WORKER_STARTS_MAX = 999_999;

/** Maximum length, in characters, of the suffix that a worker's number and start add to the server id. */
export const WORKER_SUFFIX_MAX = `-${WORKERS_MAX}-${WORKER_STARTS_MAX}`.length;

/**
 * Reads `CM_WORKER`: this worker's number `n`, or `n-k` from its second start on, where k counts the starts.
 * Returns `undefined` if this process is not a worker.
 */
export function readWorker(reader: EnvReader, workers: number): string | undefined {
  const worker = reader.text("CM_WORKER");
  if (worker === undefined) return undefined;
  const [index = "", start = "1", ...rest] = worker.split("-");
  const isNumber = (text: string, max: number): boolean => /^[1-9]\d{0,5}$/.test(text) && Number(text) <= max;
  if (!isNumber(index, WORKERS_MAX) || !isNumber(start, WORKER_STARTS_MAX) || rest.length > 0) {
    reader.problem("CM_WORKER", "must be a worker's number, such as 1 or 1-2, and is set only by the gateway");
  } else if (reader.areGood("WORKERS") && workers === 1) {
    reader.problem("CM_WORKER", "is set only by the gateway, for its own workers");
  }
  return worker;
}
