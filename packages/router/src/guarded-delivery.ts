import type { LocalDelivery, OnError } from "@cm/protocol";
import { callGuarded, isThenable } from "@cm/protocol/options";

/**
 * Returns the sockets of the application as the router calls them. An error that `toRoom` throws goes to `onError`,
 * because a room's message has other receivers. The other calls have a caller that waits for the outcome and gets the
 * error. If a call returns a promise, that promise's error goes to `onError`.
 */
export function guardedDelivery(local: LocalDelivery, onError: OnError): LocalDelivery {
  return {
    toRoom: (room, frame, except) =>
      callGuarded("local.toRoom", () => local.toRoom(room, frame, except), onError, undefined),
    toConnection: reportingRejections("local.toConnection", (...args) => local.toConnection(...args), onError),
    toUser: reportingRejections("local.toUser", (...args) => local.toUser(...args), onError),
  };
}

/** Returns a function that calls the callback. Only errors of a promise that it returns go to `onError`. */
export function reportingRejections<A extends readonly unknown[], R>(
  name: string,
  callback: (...args: A) => R,
  onError: OnError,
): (...args: A) => R {
  return (...args) => {
    const outcome = callback(...args);
    if (isThenable(outcome)) callGuarded<unknown>(name, () => outcome, onError, undefined);
    return outcome;
  };
}
