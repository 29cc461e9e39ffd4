/** `npm run soak` sets it. */
const IS_SOAK = process.env.SOAK === "1";

/** By how much a test that runs always repeats less often than a soak. */
const SHARE = 5;

/**
 * How often to repeat what is tried many times: `times` in a soak, a fifth of it in every
 * other run, so that a run of all tests stays under its ten minutes.
 */
export function repetitions(times: number): number {
  return IS_SOAK ? times : Math.ceil(times / SHARE);
}
