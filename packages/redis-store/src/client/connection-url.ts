import { isIP } from "node:net";
import { CmError } from "@cm/protocol";

/** Where one process listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a URL says. */
export interface ConnectionUrl {
  readonly kind: "node" | "cluster" | "sentinel";
  /** One for a node, one or more otherwise. */
  readonly addresses: readonly [Address, ...Address[]];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Number of the database; 0 in a Cluster. */
  readonly db: number;
  /** The name that the Sentinels know the master by; empty for other kinds. */
  readonly masterName: string;
}

const URL_SHAPE = /^redis(s?)(\+cluster|\+sentinel)?:\/\/(?:([^@/?]*)@)?([^/?]+)(?:\/(\d*))?(?:\?(.*))?$/;
const ADDRESS_SHAPE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
/** Labels of a host name. Digits alone at the end make an IPv4 address, or a mistyped one. */
const HOST_NAME = /^(?=.{1,253}$)(?!(?:.*\.)?\d+\.?$)\w(?:[\w-]{0,61}\w)?(?:\.\w(?:[\w-]{0,61}\w)?)*\.?$/;
/** More than any Redis is set up with; where it has fewer, `start` says so. */
const DATABASE_MAX = 65_535;
const DEFAULT_PORT = { node: 6379, cluster: 6379, sentinel: 26379 } as const;

/**
 * Reads a connection URL. Its forms:
 *
 * - `redis://[user:password@]host[:port][/db]`
 * - `redis+cluster://[user:password@]host[:port],host[:port],...`
 * - `redis+sentinel://[user:password@]host[:port],.../[db]?master=name`, with the Sentinels' addresses
 *
 * `rediss` in the place of `redis` stands for TLS. User and password are percent-encoded;
 * a password alone is written `:password@`. `db` is 0 to 65,535.
 *
 * Throws `options-invalid`, whose `details.problem` says what is wrong. Neither that nor
 * the message repeats anything of the URL, which may hold a password.
 */
export function parseConnectionUrl(url: string): ConnectionUrl {
  const match = URL_SHAPE.exec(url);
  if (match === null)
    throw invalid("it must start with redis://, redis+cluster:// or redis+sentinel:// and name a host");
  const [, s, variant, credentials, hosts = "", db = "", query] = match;
  const kind = variant === "+cluster" ? "cluster" : variant === "+sentinel" ? "sentinel" : "node";
  const [first, ...others] = hosts.split(",").map((address) => parseAddress(address, DEFAULT_PORT[kind]));
  if (first === undefined) throw invalid("it must name a host");
  if (kind === "node" && others.length > 0) throw invalid("redis:// takes one host");
  if (Number(db) > DATABASE_MAX) throw invalid(`the database must be 0 to ${DATABASE_MAX}`);
  if (kind === "cluster" && Number(db) !== 0) throw invalid("a Cluster has database 0 only");
  return {
    kind,
    addresses: [first, ...others],
    tls: s === "s",
    ...parseCredentials(credentials),
    db: Number(db),
    masterName: parseMasterName(kind, query),
  };
}

function parseAddress(text: string, defaultPort: number): Address {
  const match = ADDRESS_SHAPE.exec(text);
  const [, name = "", portText = String(defaultPort)] = match ?? [];
  const host = name.replace(/^\[|\]$/g, "");
  const isHost = name === host ? isIP(host) === 4 || HOST_NAME.test(host) : isIP(host) === 6;
  if (!isHost) throw invalid("a host is written name, name:port or [address]:port");
  const port = Number(portText);
  if (port < 1 || port > 65_535) throw invalid("the port must be 1 to 65535");
  return { host, port };
}

function parseCredentials(text: string | undefined): { username: string | undefined; password: string | undefined } {
  if (text === undefined) return { username: undefined, password: undefined };
  const colon = text.indexOf(":");
  if (colon === -1) throw invalid("credentials are written user:password@ or :password@");
  const [username, password] = [text.slice(0, colon), text.slice(colon + 1)].map(decode);
  return { username: username || undefined, password: password || undefined };
}

function parseMasterName(kind: ConnectionUrl["kind"], query: string | undefined): string {
  const parameters = new URLSearchParams(query ?? "");
  if ([...parameters.keys()].some((key) => kind !== "sentinel" || key !== "master")) {
    throw invalid("it has a parameter that is not known: there is only master, of redis+sentinel://");
  }
  if (parameters.getAll("master").length > 1) throw invalid("master must be given once");
  const name = parameters.get("master") ?? "";
  if (kind === "sentinel" && name === "") throw invalid("redis+sentinel:// needs ?master=name");
  return name;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid("user and password must be percent-encoded", cause);
  }
}

function invalid(problem: string, cause?: unknown): CmError {
  // The URL itself stays out of the message: it may hold a password.
  return new CmError("options-invalid", `The Redis URL can't be used: ${problem}.`, {
    cause,
    details: { field: "url", problem },
  });
}
