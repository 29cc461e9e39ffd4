import type { HistoryPosition } from "../contracts/history.js";
import { CmError, type ErrorCode, type Result } from "../errors.js";
import { parseConnectionId } from "../ids.js";
import { parseName } from "../names.js";
import { isRecord } from "../shape.js";

/** The WebSocket subprotocol of version 1. */
export const SUBPROTOCOL = "cm.v1";

/** The protocol version that `hello` and `welcome` carry. */
export const CLIENT_PROTOCOL_VERSION = 1;

/** The longest string reference, in UTF-16 code units. */
export const REF_MAX_LENGTH = 64;

/** The most members that one `members` frame asks for. */
export const MEMBERS_PAGE_MAX = 1000;

/** The page size where `members` names none. */
export const MEMBERS_PAGE_DEFAULT = 100;

/** A client's own mark on a request, repeated in its answer. */
export type Ref = string | number;

/** A request of a client. `ref` absent: no answer is wanted where all goes well. */
export type ClientFrame =
  | { readonly type: "hello"; readonly version: number; readonly ref?: Ref }
  | {
      readonly type: "join";
      readonly room: string;
      /** The last place that the client knows of a recoverable room: it wants what came after it. */
      readonly since?: HistoryPosition;
      readonly ref?: Ref;
    }
  | { readonly type: "leave"; readonly room: string; readonly ref?: Ref }
  | {
      readonly type: "publish";
      readonly room: string;
      readonly data: unknown;
      readonly echo: boolean;
      readonly ref?: Ref;
    }
  | { readonly type: "send"; readonly connection: string; readonly data: unknown; readonly ref?: Ref }
  | { readonly type: "send-user"; readonly user: string; readonly data: unknown; readonly ref?: Ref }
  | {
      readonly type: "members";
      readonly room: string;
      readonly limit: number;
      readonly cursor?: string;
      readonly ref?: Ref;
    }
  | { readonly type: "ping"; readonly ref?: Ref };

/** A frame that could not be read: why, and the reference it carried, if one could be told. */
export interface FrameFault {
  readonly error: CmError;
  readonly ref?: Ref;
}

/** What {@link parseClientFrame} gives. */
export type ClientFrameResult =
  | { readonly ok: true; readonly value: ClientFrame }
  | ({ readonly ok: false } & FrameFault);

/**
 * Reads one text frame of a client. Total: any text gives a frame or a coded fault
 * (`frame-not-json`, `frame-invalid`, `operation-unknown`, `name-invalid`,
 * `name-too-long`, `id-invalid`). Fields that are not known are ignored.
 */
export function parseClientFrame(text: string): ClientFrameResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault("frame-not-json", "The frame is not valid JSON.");
  }
  if (!isRecord(value)) return fault("frame-invalid", "A frame is a JSON object.");
  const ref = value.ref;
  if (ref !== undefined && !isRef(ref)) {
    return fault("frame-invalid", `ref must be a finite number or a string of at most ${REF_MAX_LENGTH} characters.`);
  }
  const result = readOperation(value);
  if (result === undefined) return fault("operation-unknown", "The frame's type names no operation.", ref);
  if (!result.ok) return ref === undefined ? result : { ...result, ref };
  return { ok: true, value: ref === undefined ? result.value : { ...result.value, ref } };
}

function isRef(value: unknown): value is Ref {
  return typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "string" && value.length <= REF_MAX_LENGTH;
}

/** `undefined` where the type names no operation. */
function readOperation(frame: Record<string, unknown>): Result<ClientFrame> | undefined {
  switch (frame.type) {
    case "publish":
      return readPublish(frame);
    case "join":
      return readJoin(frame);
    case "leave":
      return withRoom(frame, (room) => ({ type: "leave", room }));
    case "send":
      return readSend(frame);
    case "members":
      return readMembers(frame);
    case "ping":
      return { ok: true, value: { type: "ping" } };
    case "hello":
      return readHello(frame);
    default:
      return undefined;
  }
}

function readHello({ version }: Record<string, unknown>): Result<ClientFrame> {
  if (typeof version !== "number") return fault("frame-invalid", "hello needs a version (number).");
  return { ok: true, value: { type: "hello", version } };
}

function readJoin(frame: Record<string, unknown>): Result<ClientFrame> {
  const { since } = frame;
  if (since === undefined) return withRoom(frame, (room) => ({ type: "join", room }));
  const isPlace = isRecord(since) && isCount(since.epoch, 1) && isCount(since.offset, 0);
  if (!isPlace) return fault("frame-invalid", "since must hold the epoch and the offset of a message.");
  // Both were seen to be numbers.
  const place = { epoch: since.epoch as number, offset: since.offset as number };
  return withRoom(frame, (room) => ({ type: "join", room, since: place }));
}

function isCount(value: unknown, min: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= min;
}

function readPublish(frame: Record<string, unknown>): Result<ClientFrame> {
  const { data, echo = true } = frame;
  if (data === undefined) return fault("frame-invalid", "publish needs data (any JSON value).");
  if (typeof echo !== "boolean") return fault("frame-invalid", "echo must be true or false.");
  return withRoom(frame, (room) => ({ type: "publish", room, data, echo }));
}

function readSend({ connection, user, data }: Record<string, unknown>): Result<ClientFrame> {
  if (data === undefined) return fault("frame-invalid", "send needs data (any JSON value).");
  if ((connection === undefined) === (user === undefined)) {
    return fault("frame-invalid", "send needs either a connection or a user.");
  }
  if (user !== undefined) {
    const name = parseName(user, "user");
    return name.ok ? { ok: true, value: { type: "send-user", user: name.value, data } } : name;
  }
  const id = parseConnectionId(connection);
  // A connection id that parses is a string.
  return id.ok ? { ok: true, value: { type: "send", connection: connection as string, data } } : id;
}

function readMembers(frame: Record<string, unknown>): Result<ClientFrame> {
  const { limit = MEMBERS_PAGE_DEFAULT, cursor } = frame;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1 || limit > MEMBERS_PAGE_MAX) {
    return fault("frame-invalid", `limit must be a whole number from 1 to ${MEMBERS_PAGE_MAX}.`);
  }
  if (cursor !== undefined && typeof cursor !== "string") return fault("frame-invalid", "cursor must be a string.");
  return withRoom(frame, (room) => ({ type: "members", room, limit, ...(cursor === undefined ? {} : { cursor }) }));
}

function withRoom(frame: Record<string, unknown>, make: (room: string) => ClientFrame): Result<ClientFrame> {
  const room = parseName(frame.room, "room");
  return room.ok ? { ok: true, value: make(room.value) } : room;
}

function fault(code: ErrorCode, message: string, ref?: Ref): { readonly ok: false } & FrameFault {
  const error = new CmError(code, message);
  return ref === undefined ? { ok: false, error } : { ok: false, error, ref };
}
