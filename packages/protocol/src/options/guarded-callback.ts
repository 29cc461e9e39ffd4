import type { OnError } from "../background-failures.js";
import { toCmError } from "../errors.js";

/**
 * Returns a function that calls a callback of the application and never fails. What the callback throws, or what a
 * promise that it returns rejects with, goes to `onError`; the function then returns `instead`, as for any promise.
 */
export function guardedCallback<A extends readonly unknown[], R>(
  name: string,
  callback: (...args: A) => R,
  onError: OnError,
  instead: R,
): (...args: A) => R {
  const failed = (cause: unknown): R => {
    onError(toCmError(cause, "internal", `${name} failed.`), { stage: "handler" });
    return instead;
  };
  return (...args) => {
    try {
      const outcome = callback(...args);
      if (typeof outcome !== "object" || outcome === null || !("then" in outcome)) return outcome;
      Promise.resolve(outcome).catch(failed);
      return instead;
    } catch (cause) {
      return failed(cause);
    }
  };
}
