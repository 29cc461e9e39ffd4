/** Whether this is a soak: `npm run soak` sets the variable. */
const IS_SOAK = process.env.SOAK === "1";

/** Factor by which steps are repeated less often in other runs than in a soak. */
const SHARE = 5;

/**
 * Number of repetitions of a repeated step: `times` in a soak, a fifth of it in every other run, so that a
 * run of all tests stays under its ten minutes.
 */
export function repetitions(times: number): number {
  return IS_SOAK ? times : Math.ceil(times / SHARE);
}
