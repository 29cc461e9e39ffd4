import { type HttpReply, problem } from "./http-reply.js";
import type { TrustedProxies } from "./trusted-proxies.js";

/** A request, copied out of the server's own object. */
export interface RequestFacts {
  /** As sent, without the query; percent-encoding is left alone. */
  readonly path: string;
  /** What follows the question mark, as sent; empty without one. */
  readonly query: string;
  /** By lower-case name. A header that came twice has its values joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The client's address: that of the TCP peer, or the one that it names where it is one of
   * `trustedProxies`.
   */
  readonly remoteAddress: string;
}

/** A copied request, and what only the first checks need. */
export interface RequestHead {
  /** What handlers and `authenticate` see. */
  readonly facts: RequestFacts;
  /** The method, in upper case. */
  readonly method: string;
  /** The request line and the headers as they are usually spelled: with one space behind each colon. */
  readonly headBytes: number;
  /** Whether it has two lengths, so that two servers may not agree on where its body ends. */
  readonly isAmbiguous: boolean;
}

/** The parts of a request's head beside names and values: `GET /path HTTP/1.1`, `name: value`, the empty line. */
const LINE_BYTES = " ".length + " HTTP/1.1\r\n".length;
const HEADER_BYTES = ": ".length + "\r\n".length;
const END_BYTES = "\r\n".length;

/** What {@link copyRequestHead} is made from. */
export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The address of the TCP peer. */
  readonly remoteAddress: string;
  /** The address that a PROXY header names; empty without one. Asked only where the peer is trusted. */
  readonly proxiedAddress?: () => string;
  readonly trustedProxies: TrustedProxies;
  /** Calls back with each header as it came, its name in any case. */
  eachHeader(take: (name: string, value: string) => void): void;
}

/** Copies everything that may be wanted after the request object is gone. */
export function copyRequestHead(parts: RequestParts): RequestHead {
  const { method, path, query, trustedProxies } = parts;
  let headBytes = method.length + LINE_BYTES + Buffer.byteLength(path) + END_BYTES;
  if (query !== "") headBytes += "?".length + Buffer.byteLength(query);
  let isAmbiguous = false;
  // No prototype: a header named "constructor" is just a header.
  const headers: Record<string, string> = Object.create(null);
  parts.eachHeader((spelled, value) => {
    const name = spelled.toLowerCase();
    headBytes += name.length + Buffer.byteLength(value) + HEADER_BYTES;
    const before = headers[name];
    if (name === "content-length" && before !== undefined && before !== value) isAmbiguous = true;
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  });
  const remoteAddress = trustedProxies.clientOf({
    peer: parts.remoteAddress,
    proxied: parts.proxiedAddress,
    forwardedFor: headers["x-forwarded-for"],
  });
  return { facts: { path, query, headers, remoteAddress }, method, headBytes, isAmbiguous };
}

/** The answer to a request whose head must not be looked at further, or `undefined`. */
export function objectionTo({ headBytes, isAmbiguous }: RequestHead, maxHeadBytes: number): HttpReply | undefined {
  if (headBytes > maxHeadBytes) return headTooLarge(maxHeadBytes);
  if (isAmbiguous) return problem(400, "operation-unknown", "There are two Content-Length headers that differ.");
  return undefined;
}

/** The answer to a request whose head is over the limit. */
export function headTooLarge(maxHeadBytes: number): HttpReply {
  return problem(431, "payload-too-large", `The request line and headers are over ${maxHeadBytes} bytes.`);
}
