import type { HistoryPosition, Published, RoomInterest } from "@cm/protocol";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import type { ControlOutcome, ControlRequest } from "./requests/control.js";
import type { GatheredAnswers } from "./requests/scatter-gather.js";
import type { LocalReach } from "./rooms/room-policy.js";
import type { RouterStats } from "./router-stats.js";

/**
 * How far a direct message came.
 *
 * - `delivered`: a socket of this server took it
 * - `sent`: the owning server was reached through the bus
 * - `not-found`: there is no receiver
 */
export type RouteOutcome = "delivered" | "sent" | "not-found";

/**
 * How far a direct message came that an answer was asked for.
 *
 * - `delivered`: a socket took it, or the application on the server did
 * - `not-found`: there is no receiver
 * - `timeout`: no answer within the time; it may have been delivered
 */
export type ConfirmedOutcome = "delivered" | "not-found" | "timeout";

/** How long to wait for an answer to a direct message, in milliseconds, 1 to 600,000. */
export interface Confirmation {
  /** In milliseconds, 1 to 600,000. */
  readonly confirmMs: number;
}

/** How long to wait for an answer, in milliseconds, 1 to 600,000. */
export interface AnswerTime {
  /** In milliseconds, 1 to 600,000. */
  readonly timeoutMs: number;
}

/**
 * Messages to rooms, connections, users and servers, wherever they are. What asks
 * another server for an answer settles within the time it was given, whatever happens to
 * that server; beyond what {@link Router.toRoom} fails with, it fails with
 * `options-invalid` (the time), `pending-limit` (too many are waiting) and with the code
 * of a refusal by the other side.
 */
export interface Router extends RoomInterest {
  /** Opens this server's direct channel. Fails with `unavailable`. */
  start(): Promise<void>;
  /**
   * Publishes a frame to a room. Every copy, the local ones too, comes back from the
   * bus, which gives the room one order on all servers; see `orderOf` for another.
   * Resolves when the bus took it, with the number of servers that listen as `subscribers`
   * where the bus knows it; or with a {@link LocalReach}, which has `local`, where the room's
   * `whileDown` allows that. Fails with `unavailable`, `timeout`, `name-invalid`, `name-too-long` or
   * `id-invalid`; with `details.local: true` where members here got it already.
   */
  toRoom(room: string, frame: Uint8Array | string, except?: readonly string[]): Promise<Published | LocalReach>;
  /** Sends a frame to one connection; a local one without the bus. Fails as {@link toRoom}. */
  toConnection(connectionId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  /** The same, and waits for the owner's answer. */
  toConnection(connectionId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /** Sends a frame to all connections of a user. Fails as {@link toRoom}. */
  toUser(userId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  /** The same, and waits for all owners: `delivered` where one delivered it, else `timeout` where one did not answer. */
  toUser(userId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /** Sends bytes to the application on one server. Fails as {@link toRoom}. */
  toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome>;
  /** The same, and waits until it was handed to the application there. */
  toServer(serverId: string, payload: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  /** Asks something of a connection (by its id) or a server, wherever it is; a local one without the bus. */
  control(target: string, request: ControlRequest, time: AnswerTime): Promise<ControlOutcome>;
  /**
   * Asks every living server, this one too, what its `onQuestion` answers. Servers that
   * did not answer are named. Fails where the registry can't be read, with `options-invalid`
   * without a registry, with `payload-too-large` for more than 65,536 bytes, and with
   * `pending-limit` for more than 32 questions at a time.
   */
  ask(question: Uint8Array, time: AnswerTime): Promise<GatheredAnswers>;
  /** Tells that a server is gone: what it was asked settles with `not-found` at once. */
  serverLost(serverId: string): void;
  /** Where a recoverable room is on this server at this moment; `undefined` where it is not entered, or not recoverable. */
  positionOf(room: string): HistoryPosition | undefined;
  /**
   * For a client that comes back to a recoverable room that is entered here: calls `take`
   * once with what came after the place it knows, if that is all there and within the limit.
   * A client that begins to receive the room's messages within that call
   * misses none and gets none twice. Fails with `options-invalid` (the limit, or a room
   * that is not entered or not recoverable); a history that can't be read counts as one
   * that is gone.
   */
  recover(room: string, from: HistoryPosition, limit: RecoveryLimit, take: (recovery: Recovery) => void): Promise<void>;
  /** Counters since the start, and what is held now. */
  stats(): RouterStats;
  /** Lets all channels go. Idempotent. */
  close(): Promise<void>;
  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
