import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import { STATUS_CODES } from "node:http";
import {
  copyRequestHead,
  type HttpExchange,
  type HttpReply,
  headersOf,
  peerAddress,
  type RequestHead,
  type TrustedProxies,
  type WriteOptions,
} from "@cm/transport";

/** Copies a native request, which becomes invalid when its handler returns. */
export function copyRequest(res: HttpResponse, req: HttpRequest, trustedProxies: TrustedProxies): RequestHead {
  return copyRequestHead({
    method: req.getCaseSensitiveMethod(),
    path: req.getUrl(),
    // If the URL has no question mark, `getQuery` returns `undefined`, which its type does not declare.
    query: req.getQuery() ?? "",
    // The native layer writes IPv6 addresses in full, and IPv4 peers of a dual-stack socket as mapped IPv6
    // addresses.
    remoteAddress: peerAddress(Buffer.from(res.getRemoteAddressAsText()).toString("latin1")),
    proxiedAddress: () => Buffer.from(res.getProxiedRemoteAddressAsText()).toString("latin1"),
    trustedProxies,
    eachHeader: (take) => req.forEach(take),
  });
}

/** Writes a whole reply in one piece. The response must be neither complete nor aborted. */
export function writeReply(res: HttpResponse, reply: HttpReply, options: WriteOptions = {}): void {
  const { headOnly = false, closeConnection = false } = options;
  res.cork(() => {
    res.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}`);
    // The native layer adds the content length itself.
    for (const [name, value] of headersOf(reply)) res.writeHeader(name, value);
    const body = reply.body ?? "";
    if (headOnly) res.endWithoutBody(Buffer.byteLength(body), closeConnection);
    else if (closeConnection) res.end(body, closeConnection);
    else endAsRead(res, Buffer.from(body));
  });
}

/**
 * Ends the response with a body, of which the native layer takes only as much as the client reads. While the rest
 * of the body waits, a further request makes the native layer close the connection. With `end`, the native layer
 * would keep the bodies of any number of responses that the client does not read.
 */
function endAsRead(res: HttpResponse, body: Buffer): void {
  const [, isComplete] = res.tryEnd(body, body.byteLength);
  if (isComplete) return;
  // The native layer requires a handler while the response is incomplete.
  res.onAborted(() => undefined);
  res.onWritable((offset) => res.tryEnd(body.subarray(offset), body.byteLength)[0]);
}

/** Creates the exchange of a native request. */
export function httpExchange(res: HttpResponse): HttpExchange {
  let open = true;
  // Set an abort handler: without one, the native layer aborts the process if a request handler returns before
  // it has responded. A response without its body (HEAD) does not count as a response.
  res.onAborted(() => {
    open = false;
  });
  return {
    write(reply, options) {
      if (open) writeReply(res, reply, options);
      // If the reply is written before the end of the body, the rest of the body is ignored.
      open = false;
    },
    read(take) {
      res.onData((chunk, isLast) => {
        if (open) take(Buffer.from(chunk), isLast);
      });
    },
  };
}
