import { readFile } from "node:fs/promises";
import { CmError } from "@cm/protocol";
import type { ClusterOptions, RedisOptions } from "ioredis";
import type { RedisConnection } from "../options.js";
import type { TlsFiles } from "./connection-url.js";

/**
 * Adds the contents of the TLS files that a URL names to the connection's options. The files are read at each
 * start, so that a renewed certificate is used. Rejects with `options-invalid`; its `details.problem` names
 * the parameter but not the path.
 */
export async function withTlsFiles(connection: RedisConnection): Promise<RedisConnection> {
  if (connection.kind === "clients" || connection.tlsFiles === undefined) return connection;
  const { tlsFiles } = connection;
  const entries = await Promise.all(Object.entries(tlsFiles).map(([name, path]) => read(name, path)));
  const tls = Object.fromEntries(entries) as { readonly [name in keyof TlsFiles]: Buffer }; // Keeps the names.
  if (connection.kind === "redis") return { kind: "redis", options: withTls(connection.options, tls) };
  const options: ClusterOptions = connection.options;
  return {
    kind: "cluster",
    nodes: connection.nodes,
    options: { ...options, redisOptions: withTls(options.redisOptions ?? {}, tls) },
  };
}

function withTls(options: RedisOptions, tls: { readonly [name in keyof TlsFiles]: Buffer }): RedisOptions {
  return {
    ...options,
    tls: { ...options.tls, ...tls },
    ...(options.sentinelTLS === undefined ? {} : { sentinelTLS: { ...options.sentinelTLS, ...tls } }),
  };
}

async function read(name: string, path: string): Promise<readonly [string, Buffer]> {
  try {
    return [name, await readFile(path)];
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    const problem = `the file that ${name} names can't be read: ${code}`;
    throw new CmError("options-invalid", `The Redis URL can't be used: ${problem}.`, {
      cause,
      details: { field: "url", problem },
    });
  }
}
