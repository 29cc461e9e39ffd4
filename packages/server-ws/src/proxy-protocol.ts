import type { Server } from "node:http";
import { isIP, type Socket, SocketAddress } from "node:net";
import { peerAddress, type TrustedProxies } from "@cm/transport";

/** The first bytes of a PROXY header of version 2. */
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** Size in bytes of the fixed part: signature, version with command, family, and size of the rest of the header. */
const FIXED_BYTES = 16;

/**
 * Maximum size in bytes of the addresses and the extensions. The specification expects that a header fits into one
 * TCP segment.
 */
const REST_MAX_BYTES = 1_520;

const VERSION_2 = 2;
const COMMANDS = { local: 0, proxy: 1 } as const;

/**
 * The families whose addresses are read, TCP over IPv4 (17) and over IPv6 (33). `size` is the size of the source
 * address, `all` that of all addresses with their ports, in bytes.
 */
const FAMILIES: { readonly [family in number]?: { readonly size: number; readonly all: number } } = {
  17: { size: 4, all: 12 },
  33: { size: 16, all: 36 },
};

/** The result of parsing the first bytes of a connection. */
export type ProxyHeader =
  | { readonly kind: "absent" | "incomplete" | "invalid" }
  /** `address` is the client's; empty if the proxy connects for itself, or if the client does not use TCP over IP. */
  | { readonly kind: "complete"; readonly byteLength: number; readonly address: string };

/** Parses the header of the PROXY protocol, version 2, at the beginning of a connection. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const begun = Math.min(bytes.length, SIGNATURE.length);
  if (!bytes.subarray(0, begun).equals(SIGNATURE.subarray(0, begun))) return { kind: "absent" };
  if (bytes.length < FIXED_BYTES) return { kind: "incomplete" };
  const version = bytes.readUInt8(12) >> 4;
  const command = bytes.readUInt8(12) & 0x0f;
  const family = FAMILIES[bytes.readUInt8(13)];
  const rest = bytes.readUInt16BE(14);
  const isKnown = version === VERSION_2 && (command === COMMANDS.local || command === COMMANDS.proxy);
  if (!isKnown || rest > REST_MAX_BYTES) return { kind: "invalid" };
  const names = command === COMMANDS.proxy ? family : undefined;
  if (names !== undefined && rest < names.all) return { kind: "invalid" };
  const byteLength = FIXED_BYTES + rest;
  if (bytes.length < byteLength) return { kind: "incomplete" };
  const source = names === undefined ? undefined : bytes.subarray(FIXED_BYTES, FIXED_BYTES + names.size);
  return { kind: "complete", byteLength, address: source === undefined ? "" : addressOf(source) };
}

function addressOf(source: Buffer): string {
  if (source.length === 4) return source.join(".");
  const groups = source.toString("hex").match(/.{4}/g) ?? [];
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

/** Reads the PROXY headers that trusted proxies send before the requests of a connection. */
export class ProxyHeaders {
  readonly #trustedProxies: TrustedProxies;
  readonly #timeoutMs: number;
  readonly #addresses = new WeakMap<object, string>();
  /** Sockets whose header has not arrived completely; the HTTP server does not know them yet. */
  readonly #waiting = new Set<Socket>();

  /** A connection whose header is incomplete after `timeoutMs` is cut. */
  constructor(trustedProxies: TrustedProxies, timeoutMs: number) {
    this.#trustedProxies = trustedProxies;
    this.#timeoutMs = timeoutMs;
  }

  /** The client's address in the header of this connection; empty if there was none. */
  addressOf(socket: object): string {
    return this.#addresses.get(socket) ?? "";
  }

  /** Reads the header of each new connection of a trusted proxy, before `server` gets the connection. */
  readFor(server: Server): void {
    const listeners = server.listeners("connection");
    server.removeAllListeners("connection");
    const serve = (socket: Socket): void => {
      for (const listener of listeners) listener.call(server, socket);
    };
    server.on("connection", (socket) => {
      if (this.#trustedProxies.trusts(peerAddress(socket.remoteAddress ?? ""))) this.#read(socket, serve);
      else serve(socket);
    });
  }

  /** Cuts the connections whose header has not arrived completely. */
  end(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #read(socket: Socket, serve: (socket: Socket) => void): void {
    let bytes = Buffer.alloc(0);
    const cut = (): void => {
      settle();
      socket.destroy();
    };
    const look = (): void => {
      for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
        bytes = Buffer.concat([bytes, chunk]);
      }
      const header = parseProxyHeader(bytes);
      if (header.kind === "incomplete") return;
      if (header.kind === "invalid") {
        cut();
        return;
      }
      settle();
      if (header.kind === "complete" && isIP(header.address) !== 0) this.#addresses.set(socket, header.address);
      const rest = header.kind === "complete" ? bytes.subarray(header.byteLength) : bytes;
      if (rest.length > 0) socket.unshift(rest);
      serve(socket);
    };
    const timer = setTimeout(cut, this.#timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
      socket.off("readable", look).off("end", cut).off("error", cut).off("close", cut);
    };
    this.#waiting.add(socket);
    socket.on("readable", look).on("end", cut).on("error", cut).on("close", cut);
  }
}
