import { isCmError } from "@cm/protocol";
import { parseConnectionUrl } from "@cm/redis-store";
import type { EnvReader } from "./env-reader.js";
import { isHost } from "./host.js";

const PARTS = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"] as const;

/** What the environment says of Redis. */
export interface RedisSetting {
  /** Whether it says anything at all, be it wrong. */
  readonly given: boolean;
  /** `undefined` where nothing usable is said. */
  readonly url: string | undefined;
}

/**
 * Where Redis is: `REDIS_URL` as it is, or a URL made of `REDIS_HOST`, `REDIS_PORT`,
 * `REDIS_PASSWORD` and `REDIS_DB`, of which one is enough. The URL wins over its parts.
 * `REDIS_PORT` may be `tcp://host:port`; `REDIS_HOST` wins over its host.
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
  // The value is not repeated: it may be a URL with a password.
  reader.problem("REDIS_HOST", "must be an IP address or a host name");
  return { given: true, url: undefined };
}

/**
 * The address in `tcp://host:port`, as Kubernetes and Docker put it into `REDIS_PORT` of
 * every process beside a service named `redis`.
 */
function linkedAddress(text: string | undefined): { readonly host: string; readonly port: number } | undefined {
  const [, host = "", port = ""] = /^tcp:\/\/(.+):(\d{1,5})$/.exec(text ?? "") ?? [];
  return host === "" ? undefined : { host, port: Number(port) };
}

/** What is wrong with the URL, without anything of it. */
function problemOf(url: string): string | undefined {
  try {
    parseConnectionUrl(url);
    return undefined;
  } catch (error) {
    const problem = isCmError(error) ? error.details?.problem : undefined;
    return typeof problem === "string" ? problem : "it is not understood";
  }
}

/** Percent-encodes any text; half a surrogate pair, which has no UTF-8, becomes U+FFFD. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
