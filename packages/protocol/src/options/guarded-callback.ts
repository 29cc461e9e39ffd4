import type { OnError } from "../background-failures.js";
import { toCmError } from "../errors.js";
import { isThenable } from "./thenable.js";

/**
 * Makes a call of the application's code and never fails. What the call throws, or what a promise that it returns
 * rejects with, goes to `onError`; the result is then `instead`, as for any promise. `name` is that of the callback, for
 * the error message.
 */
export function callGuarded<R>(name: string, call: () => R, onError: OnError, instead: R): R {
  const failed = (cause: unknown): R => {
    onError(toCmError(cause, "internal", `${name} failed.`), { stage: "handler" });
    return instead;
  };
  try {
    const outcome = call();
    if (!isThenable(outcome)) return outcome;
    Promise.resolve(outcome).catch(failed);
    return instead;
  } catch (cause) {
    return failed(cause);
  }
}

/** Returns a function that calls a callback like {@link callGuarded}. */
export function guardedCallback<A extends readonly unknown[], R>(
  name: string,
  callback: (...args: A) => R,
  onError: OnError,
  instead: R,
): (...args: A) => R {
  return (...args) => callGuarded(name, () => callback(...args), onError, instead);
}
