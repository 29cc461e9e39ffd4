import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import { remoteAddressOf } from "./remote-address.js";

/** A request, copied out of the native one, which dies when its handler returns. */
export interface RequestFacts {
  /** As sent, without the query; percent-encoding is left alone. */
  readonly path: string;
  /** What follows the question mark, as sent; empty without one. */
  readonly query: string;
  /** By lower-case name. A header that came twice has its values joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** The address of the TCP peer: a proxy's, where there is one in between. */
  readonly remoteAddress: string;
}

/** Copies everything that may be wanted later; call it before the handler returns. */
export function copyRequest(res: HttpResponse, req: HttpRequest): RequestFacts {
  // No prototype: a header named "constructor" is just a header.
  const headers: Record<string, string> = Object.create(null);
  req.forEach((name, value) => {
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  });
  return {
    path: req.getUrl(), // Where there is no question mark there is none at all, against its type.
    query: req.getQuery() ?? "",
    headers,
    remoteAddress: remoteAddressOf(res),
  };
}
