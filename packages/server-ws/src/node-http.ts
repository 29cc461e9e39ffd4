import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import {
  copyRequestHead,
  type HttpExchange,
  type HttpReply,
  headersOf,
  jsonRefusal,
  peerAddress,
  type RequestHead,
  type TrustedProxies,
} from "@cm/transport";

/** Copies the head of a request. `proxiedAddress` returns the address in the PROXY header of its connection. */
export function copyRequest(
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

/** Creates the exchange of a plain HTTP request. */
export function httpExchange(response: ServerResponse): HttpExchange {
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

/**
 * Returns the refusal of an upgrade that is not HTTP/1.1 or has no `Host` header, as RFC 6455 (4.1) requires;
 * `undefined` if the upgrade fulfils both. Node.js does not check these in an upgrade.
 */
export function handshakeFault({ httpVersion, headers }: IncomingMessage): HttpReply | undefined {
  if (httpVersion !== "1.1") return jsonRefusal(505, "operation-unknown", "Upgrades need HTTP/1.1.");
  return headers.host === undefined ? jsonRefusal(400, "operation-unknown", "The Host header is missing.") : undefined;
}

/** Writes a response to the raw socket of a request, and closes the socket. */
export function refuseOn(stream: Duplex, reply: HttpReply): void {
  const body = Buffer.from(reply.body ?? "");
  const headers = [...headersOf(reply), ["Connection", "close"], ["Content-Length", String(body.byteLength)]];
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  // Ignore errors: the client may still be writing, or may have disconnected.
  stream.on("error", () => undefined);
  stream.once("finish", () => stream.destroy());
  stream.end(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? "Unknown"}\r\n${head}\r\n`, "latin1"),
      body,
    ]),
  );
}
