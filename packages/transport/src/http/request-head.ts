import { type HttpReply, problem } from "./http-reply.js";
import type { TrustedProxies } from "./trusted-proxies.js";

/** A request, copied from the server's own object. */
export interface RequestFacts {
  /** The path as sent, without the query; not percent-decoded. */
  readonly path: string;
  /** The part after the question mark, as sent; empty if there is none. */
  readonly query: string;
  /**
   * Headers by lower-case name. The values of a repeated header are joined with a comma, those of `cookie` with a
   * semicolon, as in RFC 9113, 8.2.3.
   */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The client's address: that of the TCP peer or, if the peer is one of `trustedProxies`, the address that the
   * peer reports. Empty if it is unknown, because the peer has disconnected or is connected to a Unix socket.
   */
  readonly remoteAddress: string;
}

/** A copied request, with properties that only the first checks need. */
export interface RequestHead {
  /** The part that handlers and `authenticate` receive. */
  readonly facts: RequestFacts;
  /** The method, in upper case. */
  readonly method: string;
  /** Size of the request line and headers in bytes, in the usual notation with one space after each colon. */
  readonly headBytes: number;
  /** Whether the request has several `Content-Length` headers that differ: servers may disagree on its body's end. */
  readonly isAmbiguous: boolean;
}

/**
 * Sizes of the parts of a request's head other than names and values: `GET /path HTTP/1.1`, `name: value`, the
 * empty line.
 */
const LINE_BYTES = " ".length + " HTTP/1.1\r\n".length;
const HEADER_BYTES = ": ".length + "\r\n".length;
const END_BYTES = "\r\n".length;

/** The input of {@link copyRequestHead}. */
export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The address of the TCP peer; empty if it is unknown. */
  readonly remoteAddress: string;
  /** The address in a PROXY header; empty if there is none. Only called if the peer is trusted. */
  readonly proxiedAddress?: () => string;
  readonly trustedProxies: TrustedProxies;
  /** Calls `take` with each header as received, its name in any case. */
  eachHeader(take: (name: string, value: string) => void): void;
}

/** Copies everything that may be needed after the request object has become invalid. */
export function copyRequestHead(parts: RequestParts): RequestHead {
  const { method, path, query, trustedProxies } = parts;
  let headBytes = method.length + LINE_BYTES + Buffer.byteLength(path) + END_BYTES;
  if (query !== "") headBytes += "?".length + Buffer.byteLength(query);
  let isAmbiguous = false;
  // Without a prototype, so that a header named "constructor" is an ordinary entry.
  const headers: Record<string, string> = Object.create(null);
  parts.eachHeader((spelled, value) => {
    const name = spelled.toLowerCase();
    headBytes += name.length + Buffer.byteLength(value) + HEADER_BYTES;
    const before = headers[name];
    if (name === "content-length" && before !== undefined && before !== value) isAmbiguous = true;
    headers[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  });
  const remoteAddress = trustedProxies.clientOf({
    peer: parts.remoteAddress,
    proxied: parts.proxiedAddress,
    forwardedFor: headers["x-forwarded-for"],
  });
  return { facts: { path, query, headers, remoteAddress }, method, headBytes, isAmbiguous };
}

/** Returns the refusal of a request whose head is too large or ambiguous; `undefined` if it is neither. */
export function objectionTo({ headBytes, isAmbiguous }: RequestHead, maxHeadBytes: number): HttpReply | undefined {
  if (headBytes > maxHeadBytes) return headTooLarge(maxHeadBytes);
  if (isAmbiguous) return problem(400, "operation-unknown", "The request has two different Content-Length headers.");
  return undefined;
}

/** The response to a request whose head exceeds the limit. */
export function headTooLarge(maxHeadBytes: number): HttpReply {
  return problem(431, "payload-too-large", `The request line and headers are larger than ${maxHeadBytes} bytes.`);
}
