import type { IncomingMessage, ServerResponse } from "node:http";
import { headersOf } from "./http-reply.js";
import { peerAddress } from "./peer-address.js";
import { copyRequestHead, type RequestHead } from "./request-head.js";
import type { HttpExchange } from "./route-dispatcher.js";
import type { TrustedProxies } from "./trusted-proxies.js";

/**
 * Copies the head of a request of a Node.js server. `proxiedAddress` returns the address in the PROXY header of its
 * connection.
 */
export function copyNodeRequest(
  request: IncomingMessage,
  trustedProxies: TrustedProxies,
  proxiedAddress: () => string,
): RequestHead {
  const { method = "", url = "", rawHeaders, socket } = request;
  const mark = url.indexOf("?");
  return copyRequestHead({
    method,
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? "" : url.slice(mark + 1),
    remoteAddress: peerAddress(socket.remoteAddress ?? ""),
    proxiedAddress,
    trustedProxies,
    eachHeader: (take) => {
      // `rawHeaders` contains names and values alternately.
      for (let at = 0; at + 1 < rawHeaders.length; at += 2) take(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
    },
  });
}

/** Creates the exchange of a plain HTTP request to a Node.js server. */
export function nodeExchange(response: ServerResponse): HttpExchange {
  return {
    // Node.js discards writes to a response whose client has disconnected.
    write(reply, { headOnly = false, closeConnection = false } = {}) {
      const body = reply.body ?? "";
      for (const [name, value] of headersOf(reply)) response.setHeader(name, value);
      // A reply may have a `Connection` header of its own, for example for an upgrade.
      if (closeConnection)
        response.setHeader("Connection", [response.getHeader("Connection") ?? [], "close"].flat().join(", "));
      if (reply.status !== 204 && reply.status !== 304) response.setHeader("Content-Length", Buffer.byteLength(body));
      response.writeHead(reply.status);
      response.end(headOnly ? undefined : body);
    },
    read(take) {
      const request = response.req;
      request.on("data", (chunk: Buffer) => take(chunk, false));
      request.on("end", () => take(Buffer.alloc(0), true));
    },
  };
}
