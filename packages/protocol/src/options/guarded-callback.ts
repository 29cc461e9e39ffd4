import type { OnError } from "../background-failures.js";
import { type CmError, toCmError } from "../errors.js";

/**
 * Returns a function that calls a callback of the application without failing. If the callback throws, or returns a
 * promise that rejects, the error goes to `onError` with the stage `handler`. If it throws or returns a promise, the
 * function returns `instead`: nobody waits for the promise.
 *
 * @typeParam A - The arguments of the callback.
 * @typeParam R - The result of the callback.
 */
export function guardedCallback<A extends readonly unknown[], R>(
  name: string,
  callback: (...args: A) => R,
  onError: OnError,
  instead: R,
): (...args: A) => R {
  return (...args) => {
    try {
      const outcome = callback(...args);
      return reportRejection(name, outcome, onError) ? instead : outcome;
    } catch (cause) {
      onError(callbackFailed(name, cause), { stage: "handler" });
      return instead;
    }
  };
}

/**
 * Passes the error of a promise that rejects to `onError`, with the stage `handler`. Returns whether the outcome of the
 * callback is a promise: a callback of the type `void` may be an async function.
 */
export function reportRejection(name: string, outcome: unknown, onError: OnError): boolean {
  if (typeof outcome !== "object" || outcome === null || !("then" in outcome)) return false;
  Promise.resolve(outcome).catch((cause: unknown) => onError(callbackFailed(name, cause), { stage: "handler" }));
  return true;
}

/** Creates the error for a callback of the application that threw or rejected: `internal`, unless it is a `CmError`. */
export function callbackFailed(name: string, cause: unknown): CmError {
  return toCmError(cause, "internal", `${name} failed.`);
}
