import { optional, required, withDefault } from "./field-description.js";
import {
  boolean,
  connectionId,
  cursor,
  data,
  epoch,
  integer,
  key,
  number,
  offset,
  readableObject,
  roomName,
  token,
  userName,
} from "./field-kinds.js";
import { clientFrame } from "./frame-description.js";

/** The maximum page size that a `members` request may ask for. */
export const MEMBERS_PAGE_MAX = 1000;

/** The page size if a `members` request has no `limit`. */
export const MEMBERS_PAGE_DEFAULT = 100;

const position = readableObject(
  "Position",
  { epoch: required(epoch), offset: required(offset) },
  "The last position in a recoverable room that a client knows.",
);

const confirm = optional(
  boolean,
  "`true`: the answer waits until the owning server says what came of it, at most 5 seconds",
);

/**
 * Every request of version 1, in the order of the protocol page and the AsyncAPI document. To add a request,
 * describe it here: both documents are generated from this list, and the gateway does not compile without a
 * handler for each request.
 */
export const CLIENT_FRAMES = [
  clientFrame(
    "hello",
    {
      version: required(number, "`1`. Any other is answered with `version-unsupported`, and the connection is closed"),
    },
    {
      operation: { name: "greet", title: "Begin", summary: "The first frame of every connection, within 10 seconds." },
      answer: "welcome",
      errors: ["version-unsupported", "hello-repeated", "connections-limit", "unavailable", "timeout"],
    },
  ),
  clientFrame(
    "join",
    {
      room: required(roomName),
      since: optional(
        position,
        "`epoch` (integer from 1) and `offset` (integer from 0): the last position that the client knows of a recoverable room",
      ),
    },
    {
      operation: {
        name: "joinRoom",
        title: "Join a room",
        summary: "Answered when the connection receives all messages published from then on.",
      },
      answer: "ack",
      errors: [
        "rooms-limit",
        "capacity-reached",
        "pending-limit",
        "unavailable",
        "timeout",
        "server-id-taken",
        "server-id-expired",
        "internal",
      ],
    },
  ),
  clientFrame(
    "leave",
    { room: required(roomName) },
    {
      operation: {
        name: "leaveRoom",
        title: "Leave a room",
        summary: "After the answer no more messages of the room arrive.",
      },
      answer: "ack",
      errors: ["pending-limit", "unavailable", "timeout", "internal"],
    },
  ),
  clientFrame(
    "publish",
    {
      room: required(roomName, "The connection must be a member, otherwise `not-a-member`"),
      data: required(data),
      echo: withDefault(
        boolean,
        true,
        "`false` leaves the sending connection out; other connections of the same user still get the message",
      ),
      key: optional(key, "Conflation key, see [Members that do not read](#members-that-do-not-read)"),
    },
    {
      operation: {
        name: "publishToRoom",
        title: "Publish to a room",
        summary: "To every member of a room that the connection is in.",
      },
      answer: "ack",
      errors: ["not-a-member", "unavailable", "timeout", "payload-too-large", "payload-unserializable"],
    },
  ),
  clientFrame(
    "send",
    { connection: required(connectionId, "Either this"), data: required(data), confirm },
    {
      chosenBy: "connection",
      message: "sendToConnection",
      operation: {
        name: "sendDirect",
        title: "Send to one connection or one user",
        summary: "A user's message goes to all connections of that user, on all servers.",
      },
      answer: "ack",
      answerNote: "with `outcome`",
      errors: ["not-found", "pending-limit", "payload-too-large", "payload-unserializable", "unavailable", "timeout"],
    },
  ),
  clientFrame(
    "send-user",
    { user: required(userName, "or this, never both"), data: required(data), confirm },
    {
      wireType: "send",
      chosenBy: "user",
      message: "sendToUser",
      operation: { name: "sendDirect", title: "Send to one connection or one user" },
      answer: "ack",
      answerNote: "with `outcome`",
      errors: ["not-found", "pending-limit", "payload-too-large", "payload-unserializable", "unavailable", "timeout"],
    },
  ),
  clientFrame(
    "members",
    {
      room: required(roomName, "The connection need not be a member"),
      limit: withDefault(
        integer(1, MEMBERS_PAGE_MAX),
        MEMBERS_PAGE_DEFAULT,
        `Maximum number of members on one page, 1 to ${MEMBERS_PAGE_MAX}`,
      ),
      cursor: optional(cursor, "From the previous page, unchanged; absent for the first page"),
    },
    {
      message: "askMembers",
      operation: {
        name: "listMembers",
        title: "List the members of a room",
        summary: "Lists the members on all servers, in pages.",
      },
      answer: "members",
      errors: ["unavailable", "timeout", "options-invalid", "internal"],
    },
  ),
  clientFrame(
    "refresh",
    { token: required(token, "A token of the same user. Its rights replace the previous ones") },
    {
      operation: {
        name: "refreshCredentials",
        title: "Replace the token",
        summary: "Sent before the connection's token expires, or to change the rights.",
      },
      answer: "ack",
      answerNote: "with `expiresInMs`",
      errors: ["unauthorized", "forbidden", "unavailable", "timeout", "operation-unknown"],
    },
  ),
  clientFrame(
    "ping",
    {},
    { operation: { name: "probe", title: "Check whether the server responds" }, answer: "pong", errors: [] },
  ),
] as const;
