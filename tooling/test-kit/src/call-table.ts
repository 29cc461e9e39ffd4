/** Names of the methods of `T` that return a promise. */
type CallNames<T> = {
  [K in keyof T]-?: K extends string ? (T[K] extends (...args: never) => Promise<unknown> ? K : never) : never;
}[keyof T];

/**
 * One entry for each method of `T` that returns a promise, except those in `Skipped`: the compiler rejects a table
 * that lacks a method, so that none can be forgotten.
 */
export type CallTable<T, Skipped extends CallNames<T> = never> = Readonly<
  Record<Exclude<CallNames<T>, Skipped>, () => Promise<unknown>>
>;

/**
 * Makes all calls of a table, one after the other. Resolves with those that did not reject with an error of this
 * code, and what they did instead: `done`, `threw`, or the code of another error.
 */
export async function callsNotRejectedWith(
  code: string,
  calls: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<Record<string, string>> {
  const others: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    const outcome = await outcomeOf(call);
    if (outcome !== code) others[name] = outcome;
  }
  return others;
}

async function outcomeOf(call: () => Promise<unknown>): Promise<string> {
  let result: Promise<unknown>;
  try {
    result = call();
  } catch {
    return "threw";
  }
  return result.then(
    () => "done",
    (error: unknown) =>
      typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error),
  );
}
