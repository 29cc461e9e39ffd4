import { CmError, type Result } from "../errors.js";
import { NAME_MAX_BYTES } from "../room-and-user-names.js";
import { CONNECTION_ID_MAX_LENGTH, isServerId } from "../server-and-connection-ids.js";
import { decodeUtf8, utf8ByteLength, writeUtf8 } from "../utf8.js";
import { readUint, writeUint } from "./big-endian-integers.js";
import {
  type CrossServerMessage,
  ENVELOPE_EXCEPT_MAX,
  ENVELOPE_VERSION,
  type MessageKind,
} from "./cross-server-message.js";

/*
 * Layout, big-endian:
 *
 *   0  u8   mark, 0xC3
 *   1  u8   version
 *   2  u8   kind
 *   3  u8   flags: 1 if the payload is stamped; a reader ignores unknown flags
 *   4  u16  length of the header, which is the offset of the payload. A later version may
 *           add fields at the header's end; this reader skips them
 *   6  u16  check: CRC-16/CCITT-FALSE over the header without this field, with epoch and
 *           sequence last; detects every single flipped bit, except that a flipped bit in
 *           the length of the header goes undetected once in 2^16 cases
 *   8  u32  epoch
 *  12  u48  sequence
 *  18  u8   length of origin, in bytes
 *  19  u8   length of target, in bytes
 *  20  u8   number of excepted connections
 *  21       origin, target, then each excepted id, preceded by its length as a u8
 *           payload
 */
const MARK = 0xc3;
const FLAGS_AT = 3;
const STAMPED = 1;
const FIXED_BYTES = 21;
const CHECK_AT = 6;
const POSITION_AT = 8;
/** Offset of the first field after the sequence. */
const FIELDS_AT = 18;
const SEQUENCE_MAX = 2 ** 48 - 1;
const EPOCH_MAX = 2 ** 32 - 1;

const KINDS: readonly (MessageKind | undefined)[] = [undefined, "room", "connection", "user", "server", "control"];
const KIND_CODES: Readonly<Record<MessageKind, number>> = { room: 1, connection: 2, user: 3, server: 4, control: 5 };

/** A message's position in its origin's numbering; see {@link CrossServerMessage}. */
export interface EnvelopePosition {
  /** Identifies the numbering, 0 to 2^32 - 1. */
  readonly epoch: number;
  /** The message's number in that numbering, from 1; 0 if the message is not numbered. */
  readonly sequence: number;
}

/** The fields that all messages from one origin to one target have in common. */
export type EnvelopeRoute = Pick<CrossServerMessage, "kind" | "origin" | "target" | "except" | "isStamped">;

/** The header of messages that differ only in their position and payload. */
export interface EnvelopeHeader {
  /** Length of the header, which is the offset of the payload. */
  readonly bytes: number;
  /** Writes the header at the beginning of a message. The caller ensures that the position is in range. */
  write(message: Uint8Array, position: EnvelopePosition): void;
  /**
   * Whether a message begins with this header, regardless of the position in it, and the header is undamaged.
   * If so, {@link decodeEnvelope} would return the fields of this route, and only the position must still be
   * read.
   */
  leads(message: Uint8Array): boolean;
}

/** Reads the position of a message for which `EnvelopeHeader.leads` is true. */
export function readEnvelopePosition(message: Uint8Array): EnvelopePosition {
  return { epoch: readUint(message, 8, 4), sequence: readUint(message, 12, 6) };
}

/**
 * Prepares the header of messages on one route, for repeated publishes to the same room. Throws
 * `id-invalid`, `name-invalid` or `name-too-long` if a field does not fit its place in the header.
 */
export function createEnvelopeHeader(route: EnvelopeRoute): EnvelopeHeader {
  const head = writeRoute(route);
  const check = routeCheck(head, head.length);
  return {
    bytes: head.length,
    write(message, { epoch, sequence }) {
      message.set(head);
      writeUint(message, 8, 4, epoch);
      writeUint(message, 12, 6, sequence);
      writeUint(message, CHECK_AT, 2, positionCheck(check, message));
    },
    leads(message) {
      if (message.length < head.length) return false;
      // First, because it almost always tells the headers of two origins apart.
      if (readUint(message, CHECK_AT, 2) !== positionCheck(check, message)) return false;
      for (let i = 0; i < head.length; i++) {
        // Skip the check, the epoch and the sequence: they differ from message to message.
        if (i === CHECK_AT) i = FIELDS_AT;
        if (message[i] !== head[i]) return false;
      }
      return true;
    },
  };
}

/**
 * Writes a bus message. Throws `id-invalid`, `name-invalid` or `name-too-long` if a field does not fit
 * its place in the header. The payload is copied and not inspected.
 */
export function encodeEnvelope(message: Omit<CrossServerMessage, "version">): Uint8Array {
  requireRange(message.epoch, EPOCH_MAX, "epoch");
  requireRange(message.sequence, SEQUENCE_MAX, "sequence");
  const header = createEnvelopeHeader(message);
  const bytes = new Uint8Array(header.bytes + message.payload.length);
  header.write(bytes, message);
  bytes.set(message.payload, header.bytes);
  return bytes;
}

/**
 * Reads a bus message. Never throws: any bytes result in a message or a coded error
 * (`envelope-damaged`, `envelope-version`). The payload is a view of the given bytes, not a copy.
 */
export function decodeEnvelope(bytes: Uint8Array): Result<CrossServerMessage> {
  if (bytes.length < FIXED_BYTES || bytes[0] !== MARK) return damaged("it does not begin like one");
  if (bytes[1] !== ENVELOPE_VERSION) {
    return {
      ok: false,
      error: new CmError("envelope-version", `This server does not support bus messages of version ${bytes[1]}.`, {
        details: { version: bytes[1] },
      }),
    };
  }
  const headerBytes = readUint(bytes, 4, 2);
  if (headerBytes < FIXED_BYTES || headerBytes > bytes.length) return damaged("its header has an impossible length");
  const check = positionCheck(routeCheck(bytes, headerBytes), bytes);
  if (readUint(bytes, CHECK_AT, 2) !== check) return damaged("its header was changed");
  const kind = KINDS[bytes[2] ?? 0];
  if (kind === undefined) return damaged("its kind is unknown");

  const originEnd = FIXED_BYTES + (bytes[18] ?? 0);
  const targetEnd = originEnd + (bytes[19] ?? 0);
  if (targetEnd > headerBytes) return damaged("its fields pass its header");
  const origin = readText(bytes, FIXED_BYTES, originEnd);
  const target = readText(bytes, originEnd, targetEnd);
  if (!isServerId(origin) || target === undefined || target.length === 0)
    return damaged("its origin or target is no name");

  const exceptCount = bytes[20] ?? 0;
  const except = exceptCount === 0 ? NOBODY : readExcept(bytes, targetEnd, headerBytes, exceptCount);
  if (except === undefined) return damaged("its list of excepted connections passes its header");
  return {
    ok: true,
    value: {
      version: ENVELOPE_VERSION,
      kind,
      origin,
      epoch: readUint(bytes, 8, 4),
      sequence: readUint(bytes, 12, 6),
      target,
      except,
      ...(((bytes[FLAGS_AT] ?? 0) & STAMPED) === 0 ? {} : STAMP),
      payload: bytes.subarray(headerBytes),
    },
  };
}

const NOBODY: readonly string[] = Object.freeze([]);
const STAMP = Object.freeze({ isStamped: true });

/** Writes the header with an epoch and a sequence of 0, and without the check. */
function writeRoute({ kind, origin, target, except, isStamped = false }: EnvelopeRoute): Uint8Array {
  if (!isServerId(origin)) throw new CmError("id-invalid", "The origin of a bus message must be a server id.");
  if (!Object.hasOwn(KIND_CODES, kind) || typeof kind !== "string") {
    throw new CmError("id-invalid", "The kind of a bus message is unknown.");
  }
  const targetBytes = utf8ByteLength(target);
  if (targetBytes === 0 || !target.isWellFormed()) {
    throw new CmError("name-invalid", "The target of a bus message must be a non-empty, well-formed string.");
  }
  if (targetBytes > NAME_MAX_BYTES) {
    throw new CmError("name-too-long", `The target of a bus message is longer than ${NAME_MAX_BYTES} bytes.`);
  }
  const headerBytes = FIXED_BYTES + origin.length + targetBytes + exceptBytes(except);
  const bytes = new Uint8Array(headerBytes);
  bytes[0] = MARK;
  bytes[1] = ENVELOPE_VERSION;
  bytes[2] = KIND_CODES[kind];
  bytes[FLAGS_AT] = isStamped ? STAMPED : 0;
  writeUint(bytes, 4, 2, headerBytes);
  bytes[18] = origin.length;
  bytes[19] = targetBytes;
  bytes[20] = except.length;
  let at = writeAscii(bytes, FIXED_BYTES, origin);
  at += writeUtf8(target, bytes, at);
  for (const id of except) {
    bytes[at] = id.length;
    at = writeAscii(bytes, at + 1, id);
  }
  return bytes;
}

function damaged(why: string): Result<never> {
  return { ok: false, error: new CmError("envelope-damaged", `This is not a bus message: ${why}.`) };
}

function requireRange(value: number, max: number, field: string): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new CmError("id-invalid", `The ${field} of a bus message must be a whole number from 0 to ${max}.`);
  }
}

function exceptBytes(except: readonly string[]): number {
  if (except.length > ENVELOPE_EXCEPT_MAX) {
    throw new CmError("id-invalid", `A message can exclude at most ${ENVELOPE_EXCEPT_MAX} connections.`);
  }
  let total = 0;
  for (const id of except) {
    if (id.length === 0 || id.length > CONNECTION_ID_MAX_LENGTH || utf8ByteLength(id) !== id.length) {
      throw new CmError("id-invalid", "except contains a value that is not a connection id.");
    }
    total += 1 + id.length;
  }
  return total;
}

function readExcept(bytes: Uint8Array, from: number, end: number, count: number): string[] | undefined {
  const ids: string[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    if (at >= end) return undefined;
    const next = at + 1 + (bytes[at] ?? 0);
    if (next > end) return undefined;
    const id = readText(bytes, at + 1, next);
    if (id === undefined || id.length === 0 || id.length > CONNECTION_ID_MAX_LENGTH) return undefined;
    ids.push(id);
    at = next;
  }
  return ids;
}

/** Table for CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF. */
const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/**
 * Computes the CRC over the fields that the route determines: those before the check, and those after
 * the sequence.
 */
function routeCheck(bytes: Uint8Array, headerBytes: number): number {
  return crc(crc(0xffff, bytes, 0, CHECK_AT), bytes, FIELDS_AT, headerBytes);
}

/**
 * Continues the CRC over epoch and sequence. These two fields come last, so that a prepared header only has
 * to add them.
 */
function positionCheck(check: number, bytes: Uint8Array): number {
  return crc(check, bytes, POSITION_AT, FIELDS_AT);
}

function crc(start: number, bytes: Uint8Array, from: number, end: number): number {
  let check = start;
  for (let i = from; i < end; i++) {
    check = ((check << 8) & 0xffff) ^ (CRC_TABLE[(check >>> 8) ^ (bytes[i] ?? 0)] ?? 0);
  }
  return check;
}

function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Reads text. ASCII is read without a TextDecoder, which costs several times as much for a short name. */
function readText(bytes: Uint8Array, from: number, end: number): string | undefined {
  let text = "";
  for (let i = from; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80) return decodeUtf8(bytes.subarray(from, end));
    text += String.fromCharCode(byte);
  }
  return text;
}
