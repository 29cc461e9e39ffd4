import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { CmError } from "@cm/protocol";
import { isClientRejected, toStoreError } from "../errors/store-error.js";
import type { RedisConnection } from "../options.js";
import type { Address } from "./connection-url.js";

/** Maximum time to wait for a sign of the peer's protocol, in milliseconds. */
const DEADLINE_MS = 1_000;

/** Time to wait, before a command is sent, for the error of a Redis that rejects every client, in milliseconds. */
const PATIENCE_MS = 50;

/** Maximum length in bytes of the line with which Redis rejects a client. */
const ANSWER_MAX_LENGTH = 4_096;

/**
 * Opens another connection to determine why a start failed. Resolves with an error if Redis rejects every
 * client from this host, or if only one side uses TLS; otherwise with `undefined`. The client itself cannot
 * distinguish these cases from an outage: a plain Redis does not respond to a TLS handshake, a TLS port closes the
 * connection on plain text, and a rejection is lost if the client writes while Redis closes the connection. No
 * credentials are sent.
 */
export async function reasonAtAddress(connection: RedisConnection): Promise<CmError | undefined> {
  const target = targetOf(connection);
  if (target === undefined) return undefined;
  const { address, isTls } = target;
  const answer = await plainAnswer(address);
  const refusal = answer.startsWith("-") ? replyError(answer.slice(1)) : undefined;
  if (isClientRejected(refusal)) return toStoreError(refusal);
  // A Redis that requires a password also responds in plain text.
  const isPlain = /^[+-]/.test(answer);
  if (isTls && isPlain) {
    return mismatch("Redis does not use TLS at this address; write redis instead of rediss, or omit tls.");
  }
  if (!isTls && !isPlain && (await speaksTls(address))) {
    return mismatch("Redis uses TLS at this address; write rediss instead of redis, or set tls.");
  }
  return undefined;
}

/**
 * The address that the client contacts first, and whether it uses TLS there. For a master behind Sentinels,
 * this is a Sentinel. `undefined` for clients of the application and for addresses without host and port.
 */
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

/** Resolves with the first line of the peer's response in plain text; empty if there is no response. */
function plainAnswer({ host, port }: Address): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    // Write nothing at first: bytes that arrive while Redis closes the connection can discard its rejection.
    const socket = connectPlain({ host, port }, () => {
      asking = setTimeout(() => socket.write("PING\r\n"), PATIENCE_MS);
    });
    let asking: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(asking);
      socket.destroy();
      resolve(answer.split("\r\n", 1)[0] ?? "");
    };
    socket.setTimeout(DEADLINE_MS, end);
    socket.on("data", (bytes) => {
      answer += bytes.toString("latin1");
      if (answer.includes("\r\n") || answer.length > ANSWER_MAX_LENGTH) end();
    });
    socket.on("error", end);
    socket.once("close", end);
  });
}

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: "ReplyError" });
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
