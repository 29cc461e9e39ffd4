import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { RawSocket } from "@cm/load";
import { encodeEnvelope, SUBPROTOCOL } from "@cm/protocol";
import type { TokenIssuer } from "../token-issuer.js";
import { tokenOfKeySet, tokenOfSecret } from "./forged-tokens.js";
import { frameText } from "./frame-draws.js";
import { ODD_VALUES, type SeededRandom } from "./random-values.js";

/** The environment of an {@link InputSender}: the attacked gateway and the source of randomness. */
export interface SenderContext {
  readonly random: SeededRandom;
  readonly wsUrl: string;
  readonly port: number;
  readonly redis: { readonly host: string; readonly port: number };
  /** Channels that the gateway is subscribed to. */
  readonly channels: readonly string[];
  /** A valid token of `issuer`. */
  readonly token: string;
  readonly issuer: TokenIssuer;
  /** The gateway's port for operators. */
  readonly adminPort: number;
  /** A second gateway, with tokens of a shared secret. */
  readonly secret: { readonly port: number; readonly secret: string; readonly token: string };
}

/** Sends `inputs` inputs of one kind. Resolves with the number sent. */
export type InputSender = (context: SenderContext, inputs: number) => Promise<number>;

/** Number of frames per connection; the gateway closes a connection after 20 faulty ones. */
const FRAMES_AT_ONCE = 40;

/** Sends valid and invalid frames, at most {@link FRAMES_AT_ONCE} on each connection. */
export const frames: InputSender = async ({ random, wsUrl, token }, inputs) => {
  let sent = 0;
  const url = new URL(wsUrl);
  while (sent < inputs) {
    await new Promise<void>((done) => {
      const socket: RawSocket = new RawSocket(
        { url, path: url.pathname, subprotocol: SUBPROTOCOL, headers: { Authorization: `Bearer ${token}` } },
        {
          onOpen: () => {
            if (random.below(20) > 0) socket.send('{"type":"hello","version":1}');
            const count = Math.min(FRAMES_AT_ONCE, inputs - sent);
            for (let i = 0; i < count; i++) socket.send(frameText(random));
            sent += count;
            socket.close();
          },
          onMessage: () => undefined,
          onClosed: () => done(),
        },
      );
    });
  }
  return sent;
};

const PATHS = [
  "/",
  "/healthz",
  "/readyz",
  "/stats",
  "/metrics",
  "/revoke",
  "/ws",
  "/..",
  "/%00",
  "/%ff",
  "/a b",
  "*",
  "",
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "", "PRI"];
const HEADERS = [
  "Host",
  "Content-Length",
  "Transfer-Encoding",
  "Upgrade",
  "Connection",
  "Sec-WebSocket-Key",
  "X-Forwarded-For",
  "Cookie",
  "Origin",
];
const HEADER_VALUES = [
  "",
  "a",
  "websocket",
  "Upgrade",
  "chunked",
  "-1",
  "99999999999",
  "0",
  "close",
  "203.0.113.7, ,x",
  "\u0001",
  "a".repeat(300),
];

/** Returns a revocation whose body is valid, has the wrong shape, or has another length than its head says. */
function revocationBytes(random: SeededRandom): Buffer {
  const body = JSON.stringify({ [random.of(["userId", "tokenId", "odd"])]: random.of(["mallory", ...ODD_VALUES]) });
  const length = random.below(4) > 0 ? Buffer.byteLength(body) : random.below(100_000);
  const type = random.of(["application/json", "application/json; charset=utf-8", "text/plain", ""]);
  return Buffer.from(
    `POST /revoke HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`,
  );
}

function requestBytes(random: SeededRandom): Buffer {
  const lines = [`${random.of(METHODS)} ${random.of(PATHS)} HTTP/1.${random.below(3)}`];
  for (let count = random.below(8); count > 0; count--)
    lines.push(`${random.of(HEADERS)}: ${random.of(HEADER_VALUES)}`);
  const whole = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return random.below(2) === 0 ? whole : random.damaged(whole);
}

/**
 * Waits until a socket is closed, at most `afterMs`, because the server waits for the rest of an incomplete
 * request.
 */
function ended(socket: Socket, afterMs: number): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(() => socket.destroy(), afterMs);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      done();
    });
    socket.resume();
  });
}

const REQUESTS_AT_ONCE = 10;

/** One in this many requests to the port for operators is a revocation. */
const REVOCATIONS_EACH = 4;

/** Valid and invalid HTTP requests, several per connection, to the port for clients and that for operators. */
export const requests: InputSender = async ({ random, port, adminPort }, inputs) => {
  let sent = 0;
  while (sent < inputs) {
    const count = Math.min(REQUESTS_AT_ONCE, inputs - sent);
    const isAdmin = random.below(2) === 0;
    const bytes = (): Buffer =>
      isAdmin && random.below(REVOCATIONS_EACH) === 0 ? revocationBytes(random) : requestBytes(random);
    const socket = connect(isAdmin ? adminPort : port, "127.0.0.1");
    socket.end(Buffer.concat(Array.from({ length: count }, bytes)));
    sent += count;
    await ended(socket, 50);
  }
  return sent;
};

/** Upgrade requests with forged tokens, for a gateway with a key set and for one with a shared secret in turn. */
export const tokens: InputSender = async ({ random, port, token, issuer, secret }, inputs) => {
  for (let sent = 0; sent < inputs; sent++) {
    const isOfSecret = sent % 2 === 0;
    const forged = isOfSecret
      ? tokenOfSecret(random, secret.token, secret.secret)
      : tokenOfKeySet(random, token, issuer);
    const socket = connect(isOfSecret ? secret.port : port, "127.0.0.1");
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n` +
        `Authorization: Bearer ${forged}\r\n\r\n`,
    );
    // A gateway keeps the connection if it accepts the token.
    socket.once("data", () => socket.destroy());
    await ended(socket, 1_000);
  }
  return inputs;
};

const PUBLISHED_AT_ONCE = 100;

/** Messages on the channels that the gateway is subscribed to, as a faulty or foreign program may publish them. */
export const busMessages: InputSender = async ({ random, redis, channels }, inputs) => {
  const socket = connect(redis.port, redis.host);
  socket.resume();
  await once(socket, "connect");
  const samples = (["room", "connection", "user", "server", "control"] as const).map((kind) =>
    Buffer.from(
      encodeEnvelope({
        ...{ kind, origin: "stranger", target: kind === "connection" ? "gw.aaaa00" : "fuzz", except: [] },
        ...{ epoch: 1, sequence: random.below(1000), payload: Buffer.from('{"type":"message","data":1}') },
      }),
    ),
  );
  for (let sent = 0; sent < inputs; sent += PUBLISHED_AT_ONCE) {
    const commands: Buffer[] = [];
    for (let i = 0; i < Math.min(PUBLISHED_AT_ONCE, inputs - sent); i++) {
      const channel = Buffer.from(random.of(channels));
      const message = random.below(4) === 0 ? random.bytes(random.below(80)) : random.damaged(random.of(samples));
      commands.push(
        Buffer.from(`*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n`),
        channel,
        Buffer.from(`\r\n$${message.length}\r\n`),
        message,
        Buffer.from("\r\n"),
      );
    }
    // Send the next commands only when the system has taken these, because Redis replies to each.
    if (!socket.write(Buffer.concat(commands))) await once(socket, "drain");
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await once(socket, "close");
  return inputs;
};
