import { isCmError } from "@cm/protocol";
import { parseConnectionUrl } from "@cm/redis-store";
import type { EnvReader } from "./env-reader.js";
import { isHost } from "./host-validation.js";

const PARTS = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"] as const;

/** The Redis settings in the environment. */
export interface RedisSetting {
  /** Whether any Redis variable is set, even to an invalid value. */
  readonly given: boolean;
  /** The URL of Redis; `undefined` if no Redis variable is set, or if the values are invalid. */
  readonly url: string | undefined;
}

/**
 * Reads the address of Redis: `REDIS_URL`, or a URL built from `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD` and
 * `REDIS_DB`, of which at least one must be set. `REDIS_URL` takes precedence over the others. `REDIS_PORT` may
 * be `tcp://host:port`; `REDIS_HOST` takes precedence over the host in it.
 */
export function readRedisUrl(reader: EnvReader): RedisSetting {
  const parts = PARTS.filter((name) =>
    name === "REDIS_PASSWORD" ? reader.raw(name) !== undefined : reader.text(name) !== undefined,
  );
  const url = reader.text("REDIS_URL");
  if (url !== undefined) {
    if (parts.length > 0)
      reader.warn(`REDIS_URL is set, so ${parts.join(", ")} ${parts.length > 1 ? "are" : "is"} ignored`);
    const problem = problemOf(url);
    if (problem === undefined) return { given: true, url };
    reader.problem("REDIS_URL", `can't be used: ${problem}`);
    return { given: true, url: undefined };
  }
  if (parts.length === 0) return { given: false, url: undefined };
  const linked = linkedAddress(reader.text("REDIS_PORT"));
  const host = (reader.text("REDIS_HOST") ?? linked?.host ?? "localhost").replace(/^\[(.*)\]$/, "$1");
  const port = linked?.port ?? reader.wholeNumber("REDIS_PORT", 6379, 1, 65_535);
  const db = reader.wholeNumber("REDIS_DB", 0, 0, 65_535);
  const password = reader.raw("REDIS_PASSWORD");
  const credentials = password === undefined ? "" : `:${encode(password)}@`;
  const made = `redis://${credentials}${host.includes(":") ? `[${host}]` : host}:${port}/${db}`;
  if (isHost(host) && problemOf(made) === undefined) return { given: true, url: made };
  // Do not quote the value: it may be a URL with a password.
  reader.problem("REDIS_HOST", "must be an IP address or a host name");
  return { given: true, url: undefined };
}

/**
 * Parses `tcp://host:port`, the form in which Kubernetes and Docker set `REDIS_PORT` for processes next to a
 * service named `redis`.
 */
function linkedAddress(text: string | undefined): { readonly host: string; readonly port: number } | undefined {
  const [, host = "", port = ""] = /^tcp:\/\/(.+):(\d{1,5})$/.exec(text ?? "") ?? [];
  return host === "" ? undefined : { host, port: Number(port) };
}

/** Describes what is wrong with the URL without quoting any part of it. */
function problemOf(url: string): string | undefined {
  try {
    parseConnectionUrl(url);
    return undefined;
  } catch (error) {
    const problem = isCmError(error) ? error.details?.problem : undefined;
    return typeof problem === "string" ? problem : "it is not understood";
  }
}

/** Percent-encodes any text. Lone surrogates, which have no UTF-8 encoding, are replaced by U+FFFD. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
