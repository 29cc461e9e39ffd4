import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type HttpReply, headersOf, jsonRefusal } from "@cm/transport";

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
