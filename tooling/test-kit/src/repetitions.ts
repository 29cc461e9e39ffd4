/** Set by `npm run soak`. */
const IS_SOAK = process.env.SOAK === "1";

/** Factor by which the tests of every run repeat less often than a soak. */
const SHARE = 5;

/**
 * Number of repetitions of a repeated step: `times` in a soak, a fifth of it in every other run, so that a
 * run of all tests stays under its ten minutes.
 */
export function repetitions(times: number): number {
  return IS_SOAK ? times : Math.ceil(times / SHARE);
}
