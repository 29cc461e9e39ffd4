interface ErrorMeaning {
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean;
  /** The meaning of the code, in one sentence. */
  readonly meaning: string;
}

/** The codes that can be sent to a client, in an `error` frame or in the response to a rejected upgrade. */
export const CLIENT_ERROR_CODES = {
  "frame-not-text": { retryable: false, meaning: "The frame is binary; this protocol uses text frames." },
  "frame-not-json": { retryable: false, meaning: "The frame is not valid JSON." },
  "frame-invalid": { retryable: false, meaning: "The frame is JSON, but a field is missing or of the wrong shape." },
  "frame-too-large": { retryable: false, meaning: "The frame is larger than the server accepts." },
  "operation-unknown": { retryable: false, meaning: "The frame's type is not an operation of this protocol version." },
  "version-unsupported": { retryable: false, meaning: "The server does not support the requested protocol version." },
  "hello-required": { retryable: false, meaning: "The first frame of a connection must be hello." },
  "hello-repeated": { retryable: false, meaning: "hello was already answered on this connection." },
  "name-invalid": { retryable: false, meaning: "A name is empty, not a string, or not well-formed Unicode." },
  "name-too-long": { retryable: false, meaning: "A name is longer than 255 bytes in UTF-8." },
  "id-invalid": { retryable: false, meaning: "An identifier does not follow its grammar." },
  "payload-too-large": { retryable: false, meaning: "A payload is larger than its limit." },
  "payload-unserializable": { retryable: false, meaning: "A value can't be written as JSON." },
  "not-a-member": { retryable: false, meaning: "The connection is not a member of the room." },
  "not-found": { retryable: false, meaning: "The target does not exist, or its server is gone." },
  "rooms-limit": { retryable: false, meaning: "The connection has reached its limit of rooms." },
  "pending-limit": { retryable: true, meaning: "Too many operations of this connection are waiting for an answer." },
  "rate-limited": { retryable: true, meaning: "The connection or its address exceeds its rate limit." },
  "capacity-reached": {
    retryable: true,
    meaning: "The server has reached its limit of connections, rooms or room members.",
  },
  "connections-limit": {
    retryable: true,
    meaning: "The address or the user has reached its limit of connections.",
  },
  unauthorized: { retryable: false, meaning: "The credentials are missing or not valid." },
  forbidden: { retryable: false, meaning: "The connection's rights do not allow this." },
  "origin-refused": { retryable: false, meaning: "The Origin header is not among the server's allowed origins." },
  unavailable: { retryable: true, meaning: "The store or the bus can't be reached, or temporarily refuses." },
  timeout: { retryable: true, meaning: "No response arrived within the deadline." },
  "lease-lost": { retryable: true, meaning: "The server's lease expired or was acquired again; nothing was written." },
  "server-id-taken": { retryable: true, meaning: "A living server holds this server id." },
  "server-id-expired": {
    retryable: true,
    meaning: "The server that held this id is dead, and its data is not cleaned up yet.",
  },
  "layout-mismatch": { retryable: false, meaning: "The store contains data of another layout." },
  "store-corrupt": { retryable: false, meaning: "A key contains data that this project did not write." },
  closed: { retryable: false, meaning: "The object was closed, or was never started." },
  "options-invalid": { retryable: false, meaning: "An option has a value that can't be used." },
  internal: { retryable: false, meaning: "An internal error of the server." },
} as const satisfies Record<string, ErrorMeaning>;

/**
 * The codes that are never sent to a client. They reach programs that use the packages, and operators
 * of a server.
 */
const PROGRAM_ERROR_CODES = {
  "event-invalid": { retryable: false, meaning: "A record does not have its documented shape." },
  "transition-invalid": { retryable: false, meaning: "The game can't change from its state to the requested one." },
  "not-initialized": { retryable: false, meaning: "The connection manager was requested before it was initialized." },
  "already-initialized": {
    retryable: false,
    meaning: "The connection manager was already initialized with other options.",
  },
  "server-alive": { retryable: true, meaning: "The server's lease is valid, so the server must not be cleaned up." },
  "eviction-possible": { retryable: false, meaning: "Redis may evict the store's keys when its memory is full." },
  "port-in-use": { retryable: false, meaning: "Another process is listening on this address and port." },
  "native-load-failed": { retryable: false, meaning: "The native binary of uWebSockets.js can't be loaded." },
  "envelope-damaged": { retryable: false, meaning: "The bytes are not a bus message." },
  "envelope-version": { retryable: false, meaning: "This server does not support the message's version." },
  "version-mismatch": { retryable: false, meaning: "Packages of incompatible versions are used together." },
  "runtime-unsupported": { retryable: false, meaning: "This version of Node.js is too old." },
  "config-invalid": { retryable: false, meaning: "The configuration has a value that can't be used." },
} as const satisfies Record<string, ErrorMeaning>;

/**
 * Every code that an error of this project can carry. Codes are stable: programs match on codes, never
 * on message text.
 *
 * `retryable` says whether the same call may succeed later without being changed.
 */
export const ERROR_CODES = { ...CLIENT_ERROR_CODES, ...PROGRAM_ERROR_CODES } as const;

/** One of the codes in {@link CLIENT_ERROR_CODES}. */
export type ClientErrorCode = keyof typeof CLIENT_ERROR_CODES;

/** One of the stable codes in {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

const MARK = Symbol.for("@cm/protocol.CmError");

/** Optional properties of a {@link CmError}, besides its code and message. */
export interface CmErrorOptions {
  /** The error that caused this one. */
  readonly cause?: unknown;
  /** Facts for programs and logs, such as `{ field: "room", maxBytes: 255 }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error class that this project throws. Recognize it with {@link isCmError}. */
export class CmError extends Error {
  /** What went wrong, for programs; see `ERROR_CODES`. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean;
  /** Values that belong to the code, such as `field` of `options-invalid`. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: CmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CmError";
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.details = options.details;
    Object.defineProperty(this, MARK, { value: true });
  }
}

/** Whether a value is a {@link CmError}, including one created by another copy of this package. */
export function isCmError(value: unknown): value is CmError {
  return typeof value === "object" && value !== null && MARK in value;
}

/** Whether a code may be sent to a client. For any other code, the client is sent `internal`. */
export function isClientErrorCode(code: string): code is ClientErrorCode {
  return Object.hasOwn(CLIENT_ERROR_CODES, code);
}

/** Returns a {@link CmError} unchanged, and wraps any other value in a {@link CmError} with the given code. */
export function toCmError(cause: unknown, code: ErrorCode, message: string): CmError {
  return isCmError(cause) ? cause : new CmError(code, message, { cause });
}

/** The result of a parser that never throws: the value that was read, or the error. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: CmError };
