import type { ClientErrorCode } from "../errors.js";
import { MEMBERS_PAGE_MAX } from "./client-frame-descriptions.js";
import { type Kind, type ObjectOf, optional, required } from "./field-description.js";
import {
  arrayOf,
  boolean,
  connectionId,
  constant,
  cursor,
  data,
  epoch,
  integer,
  key,
  object,
  offset,
  oneOf,
  positiveNumber,
  ref,
  roomName,
  serverId,
  string,
  userName,
} from "./field-kinds.js";
import { serverFrame } from "./frame-description.js";

/** The protocol version in `hello` and `welcome`. */
export const CLIENT_PROTOCOL_VERSION = 1;

const senderFields = {
  /** The connection that sent the message. */
  connection: required(connectionId),
  /** The user that the connection belongs to. */
  user: required(userName),
};

const memberFields = {
  /** The member's connection. */
  connection: required(connectionId),
  /** The user that the connection belongs to. */
  user: required(userName),
  /** Id of the server that holds the connection. Present if servers are configured to show their ids. */
  server: optional(serverId, "Id of the server that holds the connection, if servers expose their ids"),
};

const limitFields = {
  /** The maximum size of a frame from the client, in bytes of UTF-8. */
  maxFrameBytes: required(integer(1), "Maximum size of a client's frame, in bytes of UTF-8"),
  /** The maximum number of rooms that the connection may be in at a time. */
  maxRooms: required(integer(1), "Maximum number of rooms that the connection may be in at a time"),
  /** Sustained rate of requests per second; a burst of twice as many is allowed. */
  maxRequestsPerSecond: required(positiveNumber, "Sustained requests per second; a burst of twice as many is allowed"),
  /** The connection is closed after this time without a frame or pong from the client, in milliseconds. */
  idleTimeoutMs: required(
    integer(0),
    "Time without a frame or pong from the client after which the connection is closed, in milliseconds",
  ),
  /** The maximum number of messages that follow the answer to a join with `since`. */
  maxRecoveredMessages: required(
    integer(0),
    "Maximum number of a recoverable room's messages that follow the answer to a join with `since`; if more are missing, none follows",
  ),
  /** The maximum total size of the messages that follow the answer to a join with `since`, in bytes of frames. */
  maxRecoveredBytes: required(integer(0), "Maximum total size of these messages as frames, in bytes"),
};

/** The sender of a message. A message from the application itself has no sender. */
export interface Sender extends ObjectOf<typeof senderFields> {}

/**
 * One member in a `members` frame. `server` is the id of the server that holds the connection, if
 * servers show their ids.
 */
export interface MemberEntry extends ObjectOf<typeof memberFields> {}

/** The limits of a connection, sent in `welcome`. */
export interface ConnectionLimits extends ObjectOf<typeof limitFields> {}

/**
 * The outcome of a direct message at the time when the request was answered.
 *
 * - `delivered`: passed to a socket on this server
 * - `sent`: passed to the server that owns the connection
 */
export type DirectOutcome = "delivered" | "sent";

/**
 * The reason why this connection, unlike others in the room, misses messages: it did not read fast enough.
 *
 * - `slow-reader`: none of the missed messages will arrive
 * - `conflated`: the latest message of each sender follows the `gap`
 */
export type GapReason = "slow-reader" | "conflated";

const sender: Kind<Sender> = object(
  "Sender",
  senderFields,
  "The sender of a message. Absent if the application itself sent it.",
);
const memberEntry: Kind<MemberEntry> = object("MemberEntry", memberFields);
const connectionLimits: Kind<ConnectionLimits> = object("ConnectionLimits", limitFields);
const outcome: Kind<DirectOutcome> = oneOf(
  "DirectOutcome",
  ["delivered", "sent"],
  "In the answer to `send`. `delivered`: handed to a socket of the answering server. `sent`: handed to the server that owns the connection.",
);
const gapReason: Kind<GapReason> = oneOf(
  "GapReason",
  ["slow-reader", "conflated"],
  "The connection did not read fast enough, so this server skipped messages of the room for this connection only. `conflated`: the latest message of each sender follows.",
);
const errorCode: Kind<ClientErrorCode> = {
  label: "string",
  schemaName: "ErrorCode",
  schema: {
    description:
      "One of the codes of `x-error-codes`. Later servers may use more codes: treat an unknown code like any other error, and check `retryable`.",
    type: "string",
    pattern: "^[a-z]+(-[a-z]+)*$",
  },
};

/** Every frame that a server of version 1 sends, in the order of the protocol page and the AsyncAPI document. */
export const SERVER_FRAMES = [
  serverFrame("welcome", {
    version: required(constant(CLIENT_PROTOCOL_VERSION), `\`${CLIENT_PROTOCOL_VERSION}\``),
    connection: required(connectionId, "This connection"),
    user: required(userName, "As the server understood it"),
    server: optional(serverId, "Only if servers expose their ids"),
    limits: required(connectionLimits, "See [Limits](#limits)"),
    ref: optional(ref),
  }),
  serverFrame("ack", {
    ref: required(ref),
    outcome: optional(outcome, "Only in the answer to `send`"),
    epoch: optional(epoch, "Only in the answer to `join` of a recoverable room: the room's position"),
    offset: optional(offset, "With `epoch`"),
    expiresInMs: optional(
      integer(0),
      "Only in the answer to `refresh`: how long the token is valid, in milliseconds. Absent if it does not expire",
    ),
    recovered: optional(
      boolean,
      "Only in the answer to a `join` with `since` of a room that the connection was not in. `true`: all messages after that position follow at once, in order. `false`: none of them follows",
    ),
  }),
  serverFrame(
    "error",
    {
      code: required(errorCode, "See [Errors](#errors)"),
      message: required(string, "Text for people, which may change at any time. Programs match on the code"),
      retryable: required(boolean, "Whether the same request may succeed later, unchanged"),
      ref: optional(ref),
    },
    { name: "reportError", title: "A request without `ref`, or a frame that could not be read, failed" },
  ),
  serverFrame(
    "message",
    {
      room: required(roomName),
      epoch: optional(epoch, "The message's position, if the room is recoverable"),
      offset: optional(offset, "With `epoch`"),
      from: optional(
        sender,
        "`connection` (connection id) and `user` (name) of the sender. Absent where the application itself sent it",
      ),
      key: optional(key, "As in `publish`"),
      data: required(data),
    },
    { name: "deliverRoomMessage", title: "A message of a room" },
  ),
  serverFrame(
    "direct",
    { from: optional(sender, "As in `message`"), data: required(data) },
    { name: "deliverDirectMessage", title: "A message to this connection or its user" },
  ),
  serverFrame("members", {
    room: required(roomName),
    members: required(
      arrayOf(memberEntry, MEMBERS_PAGE_MAX),
      "Objects with `connection` (connection id), `user` (name) and, if servers expose their ids, `server` (server id, the connection's owner)",
    ),
    total: required(integer(0), "Number of live members of the room, on all pages"),
    cursor: optional(cursor, "Requests the next page; absent on the last one"),
    ref: optional(ref),
  }),
  serverFrame(
    "gap",
    {
      room: required(roomName),
      missed: optional(
        integer(1),
        "Number of missing messages, at least 1; absent if the number is unknown and possibly 0",
      ),
      reason: optional(
        gapReason,
        "Present if only this connection misses them because it did not read fast enough; see [Members that do not read](#members-that-do-not-read)",
      ),
    },
    { name: "reportGap", title: "Messages of a room were lost" },
  ),
  serverFrame(
    "removed",
    { room: required(roomName), code: required(errorCode, "The reason: `forbidden` if the rights no longer allow it") },
    { name: "reportRemoval", title: "The server removed the connection from a room" },
  ),
  serverFrame(
    "token-expiring",
    { expiresInMs: required(integer(0), "Remaining time that the connection's token is valid, in milliseconds") },
    { name: "reportExpiry", title: "The token of the connection is about to expire" },
  ),
  serverFrame("pong", { ref: optional(ref) }),
] as const;
