import { CLOSE_CODES, type CloseReason } from "../close-codes.js";
import { CmError, ERROR_CODES, type ErrorCode, type Result } from "../errors.js";
import { NAME_MAX_BYTES, parseName } from "../room-and-user-names.js";
import { parseConnectionId } from "../server-and-connection-ids.js";
import { decodeUtf8, encodeUtf8 } from "../utf8.js";
import { readUint, writeUint } from "./big-endian-integers.js";
import {
  type ControlPayload,
  type OperationOutcome,
  QUESTION_MAX_BYTES,
  type ServerOperation,
} from "./server-operation.js";

/*
 * Layout, big-endian. A request:
 *
 *   0  u8   operation, 1 to 127
 *   1  u32  how long the asking server waits, in milliseconds
 *   5       the fields of the operation, as in `writeOperation`; a text is preceded by
 *           its length as a u8. A later version may append fields to an operation,
 *           unless its last field extends to the end of the message
 *
 * An answer:
 *
 *   0  u8   128
 *   1  u32  epoch of the request
 *   5  u48  sequence of the request
 *  11  u8   outcome: 1 done, 2 not-found, 3 refused
 *  12       for `done` the body; for `refused` the error code, ASCII
 */
const REQUEST_BYTES = 5;
const ANSWER = 128;
const ANSWER_BYTES = 12;
const DONE = 1;
const NOT_FOUND = 2;
const REFUSED = 3;
const TIMEOUT_MAX_MS = 2 ** 32 - 1;

type OperationType = ServerOperation["type"];

const OPERATION_CODES: Readonly<Record<OperationType, number>> = {
  "deliver-connection": 1,
  "deliver-user": 2,
  "deliver-server": 3,
  disconnect: 4,
  join: 5,
  leave: 6,
  drain: 7,
  ping: 8,
  question: 9,
  positions: 10,
};

const OPERATIONS = new Map(
  // `Object.entries` widens the keys to `string`; they are the keys of the record above.
  Object.entries(OPERATION_CODES).map(([type, code]) => [code, type as OperationType]),
);

const CLOSE_REASONS = new Map(
  // `Object.entries` widens the keys to `string`; they are the keys of CLOSE_CODES.
  Object.entries(CLOSE_CODES).map(([reason, code]) => [code as number, reason as CloseReason]),
);

const NOTHING = new Uint8Array(0);

/**
 * Writes the payload of a control message. Throws `name-too-long` for a name or id over
 * {@link NAME_MAX_BYTES}, and `payload-too-large` for a question, an answer or a list of rooms over
 * {@link QUESTION_MAX_BYTES}.
 */
export function encodeControl(payload: ControlPayload): Uint8Array {
  if (payload.type === "answer") return encodeAnswer(payload.to, payload.outcome);
  const { operation, timeoutMs } = payload;
  const fields = writeOperation(operation);
  const bytes = join([new Uint8Array(REQUEST_BYTES), ...fields]);
  bytes[0] = OPERATION_CODES[operation.type];
  writeUint(bytes, 1, 4, Math.min(Math.max(0, Math.trunc(timeoutMs)), TIMEOUT_MAX_MS));
  return bytes;
}

/**
 * Reads the payload of a control message. Never throws. Returns `operation-unknown` for a request that
 * can't be carried out here because its operation or one of its fields is unknown or damaged: the asking
 * server waits for an answer, and this server can answer with this code. Returns `envelope-damaged` for
 * bytes that are neither a request nor an answer. Bytes in the value are views of the given bytes, not
 * copies.
 */
export function decodeControl(bytes: Uint8Array): Result<ControlPayload> {
  const what = bytes[0] ?? 0;
  if (what === ANSWER) return decodeAnswer(bytes);
  if (what === 0 || what > ANSWER || bytes.length < REQUEST_BYTES) return damaged();
  const operation = readOperation(OPERATIONS.get(what), new Fields(bytes, REQUEST_BYTES));
  if (operation === undefined) {
    return { ok: false, error: new CmError("operation-unknown", `This server can't execute the operation ${what}.`) };
  }
  return { ok: true, value: { type: "request", timeoutMs: readUint(bytes, 1, 4), operation } };
}

function encodeAnswer(to: { readonly epoch: number; readonly sequence: number }, outcome: OperationOutcome) {
  const isDone = outcome.type === "done";
  const body = isDone
    ? bounded("An answer", outcome.body)
    : outcome.type === "refused"
      ? encodeUtf8(outcome.code)
      : NOTHING;
  const bytes = join([new Uint8Array(ANSWER_BYTES), body]);
  bytes[0] = ANSWER;
  writeUint(bytes, 1, 4, to.epoch);
  writeUint(bytes, 5, 6, to.sequence);
  bytes[11] = isDone ? DONE : outcome.type === "refused" ? REFUSED : NOT_FOUND;
  return bytes;
}

function decodeAnswer(bytes: Uint8Array): Result<ControlPayload> {
  if (bytes.length < ANSWER_BYTES) return damaged();
  const outcome = readOutcome(bytes[11], bytes.subarray(ANSWER_BYTES));
  if (outcome === undefined) return damaged();
  const to = { epoch: readUint(bytes, 1, 4), sequence: readUint(bytes, 5, 6) };
  return { ok: true, value: { type: "answer", to, outcome } };
}

function readOutcome(byte: number | undefined, body: Uint8Array): OperationOutcome | undefined {
  if (byte === DONE) return body.length <= QUESTION_MAX_BYTES ? { type: "done", body } : undefined;
  if (byte === NOT_FOUND) return { type: "not-found" };
  if (byte !== REFUSED) return undefined;
  const code = body.length <= NAME_MAX_BYTES ? decodeUtf8(body) : undefined;
  // An unknown code comes from a server of a later version. Report `internal`: the outcome is still a
  // refusal.
  return { type: "refused", code: isErrorCode(code) ? code : "internal" };
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}

function writeOperation(operation: ServerOperation): Uint8Array[] {
  switch (operation.type) {
    case "deliver-connection":
      return [text(operation.connectionId), operation.frame];
    case "deliver-user":
      return [text(operation.userId), operation.frame];
    case "deliver-server":
      return [operation.payload];
    case "disconnect": {
      const code = new Uint8Array(2);
      writeUint(code, 0, 2, CLOSE_CODES[operation.reason]);
      return [text(operation.connectionId), code];
    }
    case "join":
    case "leave":
      return [text(operation.connectionId), text(operation.room)];
    case "drain":
    case "ping":
      return [];
    case "question":
      return [bounded("A question", operation.question)];
    case "positions":
      return [bounded("A list of rooms", join(operation.rooms.map(text)))];
  }
}

function readOperation(type: OperationType | undefined, fields: Fields): ServerOperation | undefined {
  switch (type) {
    case "deliver-connection":
    case "disconnect":
    case "join":
    case "leave":
      return readConnectionOperation(type, fields);
    case "deliver-user": {
      const userId = fields.name("user");
      return userId === undefined ? undefined : { type, userId, frame: fields.rest() };
    }
    case "deliver-server":
      return { type, payload: fields.rest() };
    case "drain":
    case "ping":
      return { type };
    case "question": {
      const question = fields.rest();
      return question.length <= QUESTION_MAX_BYTES ? { type, question } : undefined;
    }
    case "positions":
      return readRooms(fields);
    case undefined:
      return undefined;
  }
}

function readConnectionOperation(
  type: "deliver-connection" | "disconnect" | "join" | "leave",
  fields: Fields,
): ServerOperation | undefined {
  const parsed = parseConnectionId(fields.text());
  if (!parsed.ok) return undefined;
  const connectionId = fields.last;
  if (type === "deliver-connection") return { type, connectionId, frame: fields.rest() };
  if (type === "disconnect") {
    const reason = CLOSE_REASONS.get(fields.uint16());
    return reason === undefined ? undefined : { type, connectionId, reason };
  }
  const room = fields.name("room");
  return room === undefined ? undefined : { type, connectionId, room };
}

function readRooms(fields: Fields): ServerOperation | undefined {
  if (fields.left > QUESTION_MAX_BYTES) return undefined;
  const rooms: string[] = [];
  while (fields.left > 0) {
    const room = fields.name("room");
    if (room === undefined) return undefined;
    rooms.push(room);
  }
  return { type: "positions", rooms };
}

/** Reads the fields of a request, one after the other. */
class Fields {
  readonly #bytes: Uint8Array;
  #at: number;
  /** The text that was read last. */
  last = "";

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  text(): string | undefined {
    const from = this.#at + 1;
    const end = from + (this.#bytes[this.#at] ?? 0);
    if (end > this.#bytes.length) return undefined;
    this.#at = end;
    const read = decodeUtf8(this.#bytes.subarray(from, end));
    this.last = read ?? "";
    return read;
  }

  name(kind: "room" | "user"): string | undefined {
    const parsed = parseName(this.text(), kind);
    return parsed.ok ? parsed.value : undefined;
  }

  /** Reads a number of two bytes; 0 if the bytes end before it. */
  uint16(): number {
    const value = this.left < 2 ? 0 : readUint(this.#bytes, this.#at, 2);
    this.#at += 2;
    return value;
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }
}

function text(value: string): Uint8Array {
  const bytes = encodeUtf8(value);
  if (bytes.length > NAME_MAX_BYTES) {
    throw new CmError("name-too-long", `A name is longer than ${NAME_MAX_BYTES} bytes.`);
  }
  return join([Uint8Array.of(bytes.length), bytes]);
}

function bounded(what: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length <= QUESTION_MAX_BYTES) return bytes;
  throw new CmError("payload-too-large", `${what} is larger than ${QUESTION_MAX_BYTES} bytes.`, {
    details: { maxBytes: QUESTION_MAX_BYTES },
  });
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function damaged(): Result<never> {
  return { ok: false, error: new CmError("envelope-damaged", "This message is neither a request nor an answer.") };
}
