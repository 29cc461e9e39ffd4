import type { LocalDelivery, OnError } from "@cm/protocol";
import { guardedCallback } from "@cm/protocol/options";

/**
 * Returns the sockets of the application as the router calls them. An error that `toRoom` throws goes to `onError`,
 * because a room's message has other receivers. The other calls have a caller that waits for the outcome and gets the
 * error. If a call returns a promise, that promise's error goes to `onError`.
 */
export function guardedDelivery(local: LocalDelivery, onError: OnError): LocalDelivery {
  const failedInRoom = (outcome: () => unknown): unknown =>
    guardedCallback("local.toRoom", outcome, onError, undefined)();
  return {
    // Without a list of arguments, because this runs for every message.
    toRoom: (room, frame, except) => {
      try {
        const outcome: unknown = local.toRoom(room, frame, except);
        if (outcome !== undefined) failedInRoom(() => outcome);
      } catch (cause) {
        failedInRoom(() => {
          throw cause;
        });
      }
    },
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
    if (typeof outcome === "object") guardedCallback<[], unknown>(name, () => outcome, onError, undefined)();
    return outcome;
  };
}
