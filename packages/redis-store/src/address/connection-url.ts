import { isIP } from "node:net";
import { CmError } from "@cm/protocol";

/** The address that a process listens on. */
export interface Address {
  /** Host name or IP address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
}

/** The contents of a connection URL. */
export interface ConnectionUrl {
  /** The kind of process at the addresses: Redis itself, nodes of a Cluster, or Sentinels. */
  readonly kind: "node" | "cluster" | "sentinel";
  /** The addresses: one for a node, one or more for the other kinds. */
  readonly addresses: readonly [Address, ...Address[]];
  /** Whether connections use TLS (`rediss`). */
  readonly tls: boolean;
  /** The user name for Redis; `undefined` for its default user. */
  readonly username: string | undefined;
  /** The password for Redis; `undefined` for none. */
  readonly password: string | undefined;
  /** Index of the database; 0 in a Cluster. */
  readonly db: number;
  /** The name by which the Sentinels know the master; empty for the other kinds. */
  readonly masterName: string;
  /** The user name for the Sentinels, which may differ from the one for Redis. */
  readonly sentinelUsername: string | undefined;
  /** The password that belongs to `sentinelUsername`. */
  readonly sentinelPassword: string | undefined;
  /** The PEM files for TLS connections. */
  readonly tlsFiles: TlsFiles;
  /** The name that the server's certificate must have, if it differs from the host name. */
  readonly serverName: string | undefined;
  /** Addresses at which the nodes of a Cluster are reached, keyed by the `host:port` that they announce. */
  readonly natMap: Readonly<Record<string, Address>>;
}

/** Paths of the PEM files for TLS connections. */
export interface TlsFiles {
  /** Certificates of the trusted authorities, instead of the system's. */
  readonly ca?: string;
  /** This client's certificate; requires `key`. */
  readonly cert?: string;
  readonly key?: string;
}

const SCHEME = /^redis(s?)(\+cluster|\+sentinel)?:\/\//;
/** The part after the scheme. Matches every text without a line break. */
const URL_SHAPE = /^(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/;
const ADDRESS_SHAPE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::([^:[\]]*))?$/;
/**
 * Matches a host name. Its last label must not consist of digits only: that would be an IPv4 address or a
 * mistyped one.
 */
const HOST_NAME = /^(?=.{1,253}$)(?!(?:.*\.)?\d+\.?$)\w(?:[\w-]{0,61}\w)?(?:\.\w(?:[\w-]{0,61}\w)?)*\.?$/;
/** Upper bound for the database index. If Redis has fewer databases, `start` fails with an error. */
const DATABASE_MAX = 65_535;
const PORT_MAX = 65_535;
const DEFAULT_PORT = { node: 6379, cluster: 6379, sentinel: 26379 } as const;

/**
 * Parses a connection URL. It has one of these forms:
 *
 * - `redis://[user:password@]host[:port][/db]`
 * - `redis+cluster://[user:password@]host[:port],host[:port],...`
 * - `redis+sentinel://[user:password@]host[:port],.../[db]?master=name`, with the Sentinels' addresses
 *
 * `rediss` instead of `redis` selects TLS. User and password are percent-encoded; a password without a user
 * is written `:password@`. `db` is 0 to 65,535.
 *
 * Parameters follow a `?`, are joined by `&` and percent-encoded:
 *
 * - `ca`, `cert`, `key` (paths of PEM files) and `servername`, with TLS
 * - `master`, `sentinelUsername`, `sentinelPassword`, for Sentinels
 * - `natMap=announced:port=reached:port,...`, for a Cluster whose nodes announce addresses that cannot be
 *   reached from this host
 *
 * Throws `options-invalid` with the reason in `details.problem`. Neither the reason nor the message repeats
 * any part of the URL, because it may contain a password.
 */
export function parseConnectionUrl(url: string): ConnectionUrl {
  const scheme = SCHEME.exec(url);
  if (scheme === null) {
    throw invalid(
      "its scheme must be redis:// (rediss:// for TLS), redis+cluster:// or redis+sentinel://, as in redis://localhost:6379/0",
    );
  }
  const [start, s, variant] = scheme;
  const match = URL_SHAPE.exec(url.slice(start.length));
  if (match === null) throw invalid("it must be a single line");
  const [, credentials, hosts = "", db = "", query] = match;
  if (hosts === "") throw invalid(`it must name a host after ${start}`);
  if (`${hosts}${db}`.includes("@")) {
    throw invalid("user and password must be percent-encoded: write %40 for @, %2F for / and %3F for ?");
  }
  const kind = variant === "+cluster" ? "cluster" : variant === "+sentinel" ? "sentinel" : "node";
  const [first, ...others] = hosts.split(",").map((address) => parseAddress(address, DEFAULT_PORT[kind]));
  if (first === undefined) throw invalid("it must name a host");
  if (kind === "node" && others.length > 0) throw invalid("redis:// takes exactly one host");
  if (!/^\d*$/.test(db) || Number(db) > DATABASE_MAX) {
    throw invalid(`the database, which follows the host and a /, must be a whole number from 0 to ${DATABASE_MAX}`);
  }
  if (kind === "cluster" && Number(db) !== 0) throw invalid("a Cluster has database 0 only");
  const parameters = parseParameters(query, [
    ...(s === "s" ? ["ca", "cert", "key", "servername"] : []),
    ...(kind === "sentinel" ? ["master", "sentinelUsername", "sentinelPassword"] : []),
    ...(kind === "cluster" ? ["natMap"] : []),
  ]);
  const masterName = parameters.get("master") ?? "";
  if (kind === "sentinel" && masterName === "") throw invalid("redis+sentinel:// needs ?master=name");
  return {
    kind,
    addresses: [first, ...others],
    tls: s === "s",
    ...parseCredentials(credentials),
    db: Number(db),
    masterName,
    sentinelUsername: parameters.get("sentinelUsername"),
    sentinelPassword: parameters.get("sentinelPassword"),
    tlsFiles: parseTlsFiles(parameters),
    serverName: parameters.get("servername"),
    natMap: parseNatMap(parameters.get("natMap")),
  };
}

function parseAddress(text: string, defaultPort: number): Address {
  const match = ADDRESS_SHAPE.exec(text);
  const [, name = "", portText = String(defaultPort)] = match ?? [];
  const host = name.replace(/^\[|\]$/g, "");
  const isHost = name === host ? isIP(host) === 4 || HOST_NAME.test(host) : isIP(host) === 6;
  if (!isHost) throw invalid("a host must be written as name, name:port or [address]:port");
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > PORT_MAX) throw invalid(`the port must be a whole number from 1 to ${PORT_MAX}`);
  return { host, port };
}

function parseCredentials(text: string | undefined): { username: string | undefined; password: string | undefined } {
  if (text === undefined) return { username: undefined, password: undefined };
  const colon = text.indexOf(":");
  if (colon === -1) throw invalid("credentials must be written as user:password@ or :password@");
  const [username, password] = [text.slice(0, colon), text.slice(colon + 1)].map(decode);
  return { username: username || undefined, password: password || undefined };
}

/**
 * Parses the parameters. Each must be known, given once and not empty. A plus sign is not decoded to a space.
 */
function parseParameters(query: string | undefined, known: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of (query ?? "").split("&").filter((text) => text !== "")) {
    const equals = part.indexOf("=");
    const name = equals === -1 ? part : part.slice(0, equals);
    if (!known.includes(name)) {
      throw invalid(
        `it has an unknown parameter; here ${known.length === 0 ? "there are none" : `there are ${known.join(", ")}`}` +
          " (those of TLS with rediss only)",
      );
    }
    if (parameters.has(name)) throw invalid(`${name} must be given once`);
    const value = equals === -1 ? "" : decode(part.slice(equals + 1));
    if (value === "") throw invalid(`${name} must not be empty`);
    parameters.set(name, value);
  }
  return parameters;
}

function parseTlsFiles(parameters: ReadonlyMap<string, string>): TlsFiles {
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) => parameters.get(name));
  if ((cert === undefined) !== (key === undefined)) throw invalid("cert and key must be given together");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

function parseNatMap(text: string | undefined): Record<string, Address> {
  const map: Record<string, Address> = {};
  for (const entry of text?.split(",") ?? []) {
    const [announced, reached, ...more] = entry.split("=");
    if (announced === undefined || reached === undefined || more.length > 0) {
      throw invalid("natMap must be written as announced:port=reached:port,...");
    }
    const { host, port } = parseAddress(announced, DEFAULT_PORT.cluster);
    map[`${host}:${port}`] = parseAddress(reached, DEFAULT_PORT.cluster);
  }
  return map;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid("user, password and parameters must be percent-encoded", cause);
  }
}

function invalid(problem: string, cause?: unknown): CmError {
  // The URL itself stays out of the message, because it may contain a password.
  return new CmError("options-invalid", `The Redis URL can't be used: ${problem}.`, {
    cause,
    details: { field: "url", problem },
  });
}
