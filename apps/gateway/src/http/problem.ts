import { STATUS_CODES } from "node:http";
import { type CmError, ERROR_CODES, type ErrorCode } from "@cm/protocol";
import type { HttpReply } from "@cm/server-uws";

const STATUS_BY_CODE: { readonly [code in ErrorCode]?: number } = {
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  "payload-too-large": 413,
  "rate-limited": 429,
  "capacity-reached": 503,
  unavailable: 503,
  timeout: 503,
  closed: 503,
  internal: 500,
};

/** A problem document of RFC 9457, with our code beside its own members. */
export function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  return {
    status,
    headers: { ...headers, "content-type": "application/problem+json", "cache-control": "no-store" },
    body: JSON.stringify({ code, status, title: STATUS_CODES[status] ?? "Unknown", detail }),
  };
}

/** The problem document of an error. That of a server's fault (5xx) says in general what the code means: messages may name hosts and keys. */
export function problemOf(error: CmError): HttpReply {
  const status = STATUS_BY_CODE[error.code] ?? 400;
  return problem(status, error.code, status >= 500 ? ERROR_CODES[error.code].meaning : error.message);
}
