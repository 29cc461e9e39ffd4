import type { EnvReader } from "./env-reader.js";

const SCHEMES = ["redis:", "rediss:", "redis+cluster:", "rediss+cluster:", "redis+sentinel:", "rediss+sentinel:"];

/**
 * Where Redis is: `REDIS_URL` as it is, or a URL made of `REDIS_HOST`, `REDIS_PORT`,
 * `REDIS_PASSWORD` and `REDIS_DB`, of which one is enough. `undefined` where none is set.
 */
export function readRedisUrl(reader: EnvReader): string | undefined {
  const url = reader.text("REDIS_URL");
  if (url !== undefined) {
    const scheme = url.slice(0, url.indexOf(":") + 1);
    if (SCHEMES.includes(scheme)) return url;
    // The value is not repeated: it may carry a password.
    reader.problem("REDIS_URL", `must begin with one of ${SCHEMES.map((known) => `${known}//`).join(", ")}`);
    return undefined;
  }
  const host = reader.text("REDIS_HOST");
  const password = reader.text("REDIS_PASSWORD");
  if (host === undefined && password === undefined && !reader.text("REDIS_PORT") && !reader.text("REDIS_DB")) {
    return undefined;
  }
  const port = reader.wholeNumber("REDIS_PORT", 6379, 1, 65_535);
  const database = reader.wholeNumber("REDIS_DB", 0, 0, 65_535);
  const credentials = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  const address = host?.includes(":") && !host.startsWith("[") ? `[${host}]` : (host ?? "localhost");
  return `redis://${credentials}${address}:${port}/${database}`;
}
