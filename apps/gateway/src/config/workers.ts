import type { EnvReader } from "./env-reader.js";

/** More server processes than any machine has use for. */
export const WORKERS_MAX = 64;

/** The most starts of one worker that are told apart; later ones count from 2 again. */
export const WORKER_STARTS_MAX = 999_999;

/** What a worker's number and start add to a server id at most, in characters. */
export const WORKER_SUFFIX_MAX = `-${WORKERS_MAX}-${WORKER_STARTS_MAX}`.length;

/** Which worker this process is: `n`, or `n-k` at its k-th start. */
export function readWorker(reader: EnvReader, workers: number): string | undefined {
  const worker = reader.text("CM_WORKER");
  if (worker === undefined) return undefined;
  const [index = "", start = "1", ...rest] = worker.split("-");
  const isNumber = (text: string, max: number): boolean => /^[1-9]\d{0,5}$/.test(text) && Number(text) <= max;
  if (!isNumber(index, WORKERS_MAX) || !isNumber(start, WORKER_STARTS_MAX) || rest.length > 0) {
    reader.problem("CM_WORKER", "must be a worker's number, such as 1 or 1-2; it is not for people to set");
  } else if (reader.areGood("WORKERS") && workers === 1) {
    reader.problem("CM_WORKER", "is for the workers that WORKERS asks for; it is not for people to set");
  }
  return worker;
}
