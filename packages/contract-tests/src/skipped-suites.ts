import { optionInvalid, requireOptions } from "@cm/protocol/options";
import { describe, it } from "vitest";

/** Names of the suites that are not run, each with the reason in words. */
export type SkippedSuites<S extends string> = Readonly<Partial<Record<S, string>>>;

/** Throws `options-invalid` for a suite that does not exist, and for one without a reason. */
export function requireSkippedSuites<S extends string>(
  skipped: SkippedSuites<S>,
  suites: Readonly<Record<S, unknown>>,
): SkippedSuites<S> {
  for (const [suite, reason] of Object.entries<unknown>(requireOptions<SkippedSuites<S>>(skipped, suites))) {
    if (reason === undefined) continue;
    if (typeof reason !== "string" || reason.trim() === "") throw optionInvalid(suite, "the reason, as text");
  }
  return skipped;
}

/**
 * Runs every suite that is not skipped. A skipped suite is reported as a skipped test with the reason, and as a
 * warning in the output.
 */
export function runSuites<S extends string>(
  name: string,
  suites: Readonly<Record<S, () => void>>,
  skipped: SkippedSuites<S>,
): void {
  const reasons: Readonly<Record<string, string | undefined>> = skipped;
  for (const [suite, run] of Object.entries<() => void>(suites)) {
    const reason = reasons[suite];
    if (reason === undefined) {
      run();
      continue;
    }
    console.warn(`${name}: the suite ${suite} is skipped: ${reason}`);
    describe(`${name}: ${suite}`, () => {
      it.skip(`is skipped: ${reason}`);
    });
  }
}
