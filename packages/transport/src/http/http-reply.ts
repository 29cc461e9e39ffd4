import { STATUS_CODES } from "node:http";
import { type CmError, ERROR_CODES, type ErrorCode } from "@cm/protocol";

/** A response to an HTTP request. */
export interface HttpReply {
  /** The status code, 200 to 599. */
  readonly status: number;
  /** Headers in addition to those that the server writes itself. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as UTF-8. Default: empty. */
  readonly body?: string | Uint8Array;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
const HEADER_VALUE_FORBIDDEN = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * Returns a description of what is invalid in a reply, or `undefined`. For example, a line break in a header
 * would start another header.
 */
export function replyFault(reply: HttpReply): string | undefined {
  // A handler in plain JavaScript may return nothing.
  if (typeof reply !== "object" || reply === null) return "it must be an object with a status";
  if (!Number.isInteger(reply.status) || reply.status < 200 || reply.status > 599) {
    return "status must be a whole number from 200 to 599";
  }
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    if (!HEADER_NAME.test(name)) return `${JSON.stringify(name)} is no header name`;
    if (typeof value !== "string" || HEADER_VALUE_FORBIDDEN.test(value)) {
      return `the value of header ${name} can't be sent`;
    }
  }
  const { body } = reply;
  if (body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array)) {
    return "body must be text or bytes";
  }
  return undefined;
}

/** Every reply has this header, so that browsers do not guess a content type other than the declared one. */
const NO_SNIFFING = "x-content-type-options";

/**
 * The headers to write for a reply: the reply's headers without the content length, which the server writes
 * itself, plus `nosniff`.
 */
export function headersOf(reply: HttpReply): [name: string, value: string][] {
  const headers = Object.entries(reply.headers ?? {}).filter(([name]) => name.toLowerCase() !== "content-length");
  if (!headers.some(([name]) => name.toLowerCase() === NO_SNIFFING)) headers.push([NO_SNIFFING, "nosniff"]);
  return headers;
}

/** How to write a reply. */
export interface WriteOptions {
  /** Whether to omit the body but send its length, for HEAD. Default `false`. */
  readonly headOnly?: boolean;
  /** Whether to close the TCP connection after the reply. Default `false`. */
  readonly closeConnection?: boolean;
}

/** A refusal with a JSON body: `{"code":"unauthorized","message":"..."}`. */
export function jsonRefusal(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  return {
    status,
    headers: { ...headers, "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" },
    body: JSON.stringify({ code, message }),
  };
}

/** A problem document as in RFC 9457, with our `code` as an additional member; used for refusals by HTTP routes. */
export function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  return {
    status,
    headers: { ...headers, "Content-Type": "application/problem+json", "Cache-Control": "no-store" },
    body: JSON.stringify({ code, status, title: STATUS_CODES[status] ?? "Unknown", detail }),
  };
}

/**
 * Returns the problem document for an error of an HTTP route. For a server fault (5xx) it has the code's general
 * meaning instead of the message.
 */
export function problemOf(error: CmError): HttpReply {
  return replyOf(error, problem);
}

/** Returns the refusal of an upgrade for an error, with the text that {@link problemOf} uses. */
export function refusalOf(error: CmError): HttpReply {
  return replyOf(error, jsonRefusal);
}

function replyOf(error: CmError, format: typeof problem | typeof jsonRefusal): HttpReply {
  const status = STATUS_BY_CODE[error.code] ?? 400;
  // Messages of server faults may contain host names and keys.
  return format(status, error.code, status >= 500 ? ERROR_CODES[error.code].meaning : error.message);
}

const STATUS_BY_CODE: { readonly [code in ErrorCode]?: number } = {
  unauthorized: 401,
  "origin-refused": 403,
  forbidden: 403,
  "not-found": 404,
  "payload-too-large": 413,
  "rate-limited": 429,
  "connections-limit": 429,
  "capacity-reached": 503,
  "pending-limit": 503,
  unavailable: 503,
  timeout: 503,
  "lease-lost": 503,
  closed: 503,
  internal: 500,
  "options-invalid": 500,
  "config-invalid": 500,
};
