import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { CmError } from "@cm/protocol";
import type { RedisConnection } from "../options.js";
import type { Address } from "./connection-url.js";

/** How long the other end may take to show what it speaks, in milliseconds. */
const DEADLINE_MS = 1_000;

/**
 * Why a start failed, where that is TLS at a plain port or the other way round; `undefined`
 * otherwise. A plain Redis does not answer a TLS handshake and a TLS port hangs up on plain
 * text, so that the client alone can't tell it from an outage. No credentials are sent.
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

/** The server that is asked first: for a master behind Sentinels, a Sentinel. */
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
    // A Redis that wants a password says that in plain text too.
    socket.once("data", (bytes) => end(/^[+-]/.test(bytes.toString("latin1"))));
    socket.on("error", () => end(false));
    socket.once("close", () => resolve(false));
  });
}

function speaksTls({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    // Nothing is sent, so it does not matter who answers.
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
