import { CmError } from "@cm/protocol";
import type { ConnectionManagerOptions } from "./game-options.js";

/** Environment variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the address of Redis from the environment: from `REDIS_URL`, or, without it, from `REDIS_HOST` (default
 * `localhost`), `REDIS_PORT` (6379), `REDIS_PASSWORD` and `REDIS_DB` (0). An empty variable counts as absent.
 * Returns empty options if none of them is set. `REDIS_PORT` may be `tcp://host:port`; if `REDIS_HOST` is set too,
 * its value is the host.
 *
 * Throws `options-invalid` if the port or the database is not a number. Error messages never contain the values.
 */
export function optionsFromEnvironment(environment: Environment): Pick<ConnectionManagerOptions, "redisUrl"> {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const url = read("REDIS_URL");
  if (url !== undefined) return { redisUrl: url };
  const [host, givenPort, db] = ["REDIS_HOST", "REDIS_PORT", "REDIS_DB"].map(read);
  // Not trimmed, because white space may be part of the password.
  const password = environment.REDIS_PASSWORD || undefined;
  // `REDIS_PORT` has this form if Kubernetes or Docker set it for a service named `redis`.
  const [, linkedHost, linkedPort] = /^tcp:\/\/(.+):(\d{1,5})$/.exec(givenPort ?? "") ?? [];
  const port = linkedPort ?? givenPort;
  if (host === undefined && port === undefined && password === undefined && db === undefined) return {};
  const name = host ?? linkedHost ?? "localhost";
  const credentials = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  const address = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  const endpoint = `${address}:${digits("REDIS_PORT", port ?? "6379")}`;
  return { redisUrl: `redis://${credentials}${endpoint}/${digits("REDIS_DB", db ?? "0")}` };
}

function digits(field: string, text: string): string {
  if (/^\d{1,5}$/.test(text)) return text;
  throw new CmError("options-invalid", `${field} must be a whole number.`, { details: { field } });
}
