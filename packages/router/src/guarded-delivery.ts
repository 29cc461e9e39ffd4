import type { LocalDelivery, OnError } from "@cm/protocol";
import { callbackFailed, reportRejection } from "@cm/protocol/options";

/**
 * Returns the sockets of the application as the router calls them. An error that `toRoom` throws goes to `onError`,
 * because a room's message has other receivers. The other calls have a caller that waits for the outcome and gets the
 * error. If a call returns a promise, that promise's error goes to `onError`.
 */
export function guardedDelivery(local: LocalDelivery, onError: OnError): LocalDelivery {
  return {
    toRoom(room, frame, except) {
      try {
        // The return type is `void`, which also accepts async functions.
        const outcome: unknown = local.toRoom(room, frame, except);
        if (outcome !== undefined) reportRejection("local.toRoom", outcome, onError);
      } catch (cause) {
        onError(callbackFailed("local.toRoom", cause), { stage: "handler" });
      }
    },
    toConnection(connectionId, frame) {
      const isDelivered = local.toConnection(connectionId, frame);
      reportRejection("local.toConnection", isDelivered, onError);
      return isDelivered;
    },
    toUser(userId, frame) {
      const delivered = local.toUser(userId, frame);
      reportRejection("local.toUser", delivered, onError);
      return delivered;
    },
  };
}
