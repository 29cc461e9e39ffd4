import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { CmError } from "@cm/protocol";
import type { RedisConnection } from "../options.js";
import type { Address } from "./connection-url.js";

/** Maximum time to wait for a sign of the peer's protocol, in milliseconds. */
const DEADLINE_MS = 1_000;

/**
 * Returns an error if a start failed because TLS was used on a plain port or plain text on a TLS port;
 * otherwise `undefined`. A plain Redis does not respond to a TLS handshake, and a TLS port closes the
 * connection on plain text, so the client alone cannot distinguish either from an outage. Sends no
 * credentials.
 */
export async function transportMismatch(connection: RedisConnection): Promise<CmError | undefined> {
  const target = targetOf(connection);
  if (target === undefined) return undefined;
  const { address, isTls } = target;
  if (isTls && (await speaksPlain(address))) {
    return mismatch("Redis speaks no TLS at this address; write redis in the place of rediss, or leave tls out.");
  }
  if (!isTls && (await speaksTls(address))) {
    return mismatch("Redis speaks TLS at this address; write rediss in the place of redis, or give tls.");
  }
  return undefined;
}

/** The server that is contacted first: for a master behind Sentinels, a Sentinel. */
function targetOf(connection: RedisConnection): { readonly address: Address; readonly isTls: boolean } | undefined {
  if (connection.kind === "clients") return undefined;
  if (connection.kind === "cluster") {
    const [node] = connection.nodes;
    if (typeof node !== "object") return undefined;
    const { host = "localhost", port = 6379 } = node;
    return { address: { host, port }, isTls: connection.options.redisOptions?.tls !== undefined };
  }
  const { host = "localhost", port = 6379, sentinels, path, tls, enableTLSForSentinelMode } = connection.options;
  if (path !== undefined) return undefined;
  const [sentinel] = sentinels ?? [];
  if (sentinel === undefined) return { address: { host, port }, isTls: tls !== undefined };
  return {
    address: { host: sentinel.host ?? "localhost", port: sentinel.port ?? 26_379 },
    isTls: enableTLSForSentinelMode === true,
  };
}

function speaksPlain({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectPlain({ host, port }, () => socket.write("PING\r\n"));
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(DEADLINE_MS, () => end(false));
    // A Redis that requires a password also responds in plain text.
    socket.once("data", (bytes) => end(/^[+-]/.test(bytes.toString("latin1"))));
    socket.on("error", () => end(false));
    socket.once("close", () => resolve(false));
  });
}

function speaksTls({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    // No data is sent, so the peer's certificate need not be verified.
    const socket = connectTls({ host, port, rejectUnauthorized: false }, () => end(true));
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(DEADLINE_MS, () => end(false));
    socket.on("error", () => end(false));
    socket.once("close", () => resolve(false));
  });
}

function mismatch(message: string): CmError {
  return new CmError("options-invalid", message, { details: { field: "url", problem: message } });
}
