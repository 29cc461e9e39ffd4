import { optionInvalid, requireOptions } from "@cm/protocol/options";
import { describe, it } from "vitest";

/** Names of the suites that are not run, each with the reason in words. */
export type LeftOut<S extends string> = Readonly<Partial<Record<S, string>>>;

/** Throws `options-invalid` for a suite that does not exist, and for one without a reason. */
export function requireLeftOut<S extends string>(
  leaveOut: LeftOut<S>,
  suites: Readonly<Record<S, unknown>>,
): LeftOut<S> {
  for (const [suite, reason] of Object.entries<unknown>(requireOptions<LeftOut<S>>(leaveOut, suites))) {
    if (reason === undefined) continue;
    if (typeof reason !== "string" || reason.trim() === "") throw optionInvalid(suite, "the reason, as text");
  }
  return leaveOut;
}

/**
 * Runs every suite that is not left out. A suite that is left out stays visible as a skipped test with the
 * reason, and as a warning in the output.
 */
export function runSuites<S extends string>(
  name: string,
  suites: Readonly<Record<S, () => void>>,
  leaveOut: LeftOut<S>,
): void {
  const reasons: Readonly<Record<string, string | undefined>> = leaveOut;
  for (const [suite, run] of Object.entries<() => void>(suites)) {
    const reason = reasons[suite];
    if (reason === undefined) {
      run();
      continue;
    }
    console.warn(`${name}: the suite ${suite} is left out: ${reason}`);
    describe(`${name}: ${suite}`, () => {
      it.skip(`is left out: ${reason}`);
    });
  }
}
