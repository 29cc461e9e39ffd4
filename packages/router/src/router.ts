import type { HistoryPosition, Published, RoomInterest } from "@cm/protocol";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import type { ControlOutcome, ControlRequest } from "./requests/control-requests.js";
import type { GatheredAnswers } from "./requests/scatter-gather.js";
import type { LocalReach } from "./rooms/room-policy.js";
import type { RouterStats } from "./router-stats.js";

/**
 * The outcome of a direct message.
 *
 * - `delivered`: a socket of this server accepted the message
 * - `sent`: the message was sent to the owning server through the bus
 * - `not-found`: there is no recipient
 */
export type RouteOutcome = "delivered" | "sent" | "not-found";

/**
 * The outcome of a direct message with a confirmation.
 *
 * - `delivered`: a socket, or the application on the server, accepted the message
 * - `not-found`: there is no recipient
 * - `timeout`: no response within the time; the message may have been delivered
 */
export type ConfirmedOutcome = "delivered" | "not-found" | "timeout";

/** Requests a confirmation for a direct message. */
export interface Confirmation {
  /** How long to wait for the confirmation, in milliseconds, 1 to 600,000. */
  readonly confirmMs: number;
}

/** Limits how long a call waits for responses. */
export interface AnswerTime {
  /** How long to wait, in milliseconds, 1 to 600,000. */
  readonly timeoutMs: number;
}

/**
 * Sends messages to rooms, connections, users and servers, on any server. A call that is given a time settles
 * within it, whatever happens to the other server or to the registry. In addition to the errors
 * of {@link Router.toRoom}, it rejects with `options-invalid` (an invalid argument, named by `details.field`),
 * with `pending-limit` (too many calls are waiting), and with the code of a refusal by the other side. Before
 * {@link Router.start} is done, calls that can fail reject with `closed`; `details.call` names the call.
 */
export interface Router extends RoomInterest {
  /** Subscribes to this server's own channel. Rejects with `unavailable`, or with `closed` after {@link close}. */
  start(): Promise<void>;
  /**
   * Publishes a frame to a room. Every copy, including those for local members, comes back from the bus, which
   * gives the room one order on all servers; see `orderOf` for another order. The connections in `except` do not
   * get the frame. Resolves when the bus has accepted the frame, with the number of subscribed servers as
   * `subscribers` if the bus knows it; or with a {@link LocalReach}, which has the field `local`, if the room's
   * `whileDown` allows it. Rejects with `unavailable`, `timeout`, `options-invalid`, `name-invalid`,
   * `name-too-long` or `id-invalid`, and in rooms with other settings than the default with `frame-not-text` or
   * `frame-invalid`. `details.local` is `true` if local members have already received the frame.
   */
  toRoom(room: string, frame: Uint8Array | string, except?: readonly string[]): Promise<Published | LocalReach>;
  /** Sends a frame to one connection; a local connection does not need the bus. Rejects like {@link toRoom}. */
  toConnection(connectionId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  /** Sends a frame to one connection and waits for its owner's response. */
  toConnection(connectionId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /** Sends a frame to all connections of a user. Rejects like {@link toRoom}. */
  toUser(userId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  /**
   * Sends a frame to all connections of a user and waits for the responses of all their owners: `delivered`
   * if at least one owner delivered the frame, otherwise `timeout` if an owner or the registry did not respond.
   */
  toUser(userId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /** Sends bytes to the application on one server. Rejects like {@link toRoom}. */
  toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome>;
  /** Sends bytes to the application on one server and waits until the application there has received them. */
  toServer(serverId: string, payload: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /**
   * Sends a request to a connection (by its id) or to a server (by its id). A request to this server or its
   * connections does not need the bus.
   */
  control(target: string, request: ControlRequest, time: AnswerTime): Promise<ControlOutcome>;
  /**
   * Sends a question to every living server, including this one, and collects the results of their `onQuestion`.
   * Servers that did not respond are named in the result. Rejects with the store's error if the registry cannot be
   * read, with `timeout` if that takes longer than the given time, with `options-invalid` if the router's store has no
   * registry, with `payload-too-large` if the question has more than 65,536 bytes, and with `pending-limit` if 32
   * questions are in progress.
   */
  ask(question: Uint8Array, time: AnswerTime): Promise<GatheredAnswers>;
  /** Notifies the router that a server has left the cluster: requests to it settle with `not-found` at once. */
  serverLost(serverId: string): void;
  /**
   * The current position of a recoverable room on this server; `undefined` if the room was not entered or is
   * not recoverable.
   */
  positionOf(room: string): HistoryPosition | undefined;
  /**
   * Recovers missed messages for a client that returns to a recoverable room that was entered on this server. Calls
   * `take` once, with the messages after the position `from` if all of them are available and within the limit. A
   * client that begins to receive the room's messages within that call misses none and receives none twice. At most
   * 16 recoveries read at a time. If `isWanted` is given and returns `false` when this recovery's turn has come,
   * nothing is read, and nothing is recovered. Rejects with `options-invalid` (the limit, or a room that was not
   * entered or is not recoverable). A history that cannot be read is treated like one that is gone.
   */
  recover(
    room: string,
    from: HistoryPosition,
    limit: RecoveryLimit,
    take: (recovery: Recovery) => void,
    isWanted?: () => boolean,
  ): Promise<void>;
  /** Returns the counters since the router was created, and the current numbers. */
  stats(): RouterStats;
  /** Closes all subscriptions. Idempotent. */
  close(): Promise<void>;
  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
