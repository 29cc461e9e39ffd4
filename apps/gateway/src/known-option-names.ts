import { CmError } from "@cm/protocol";
import { nearestName } from "@cm/protocol/options";

/**
 * Other names of `createGateway` options, as used in other libraries, in the environment and in other packages
 * of cm.
 */
const CALLED_ELSEWHERE: Readonly<Record<string, string>> = {
  url: "redisUrl",
  redis: "redisUrl",
  uri: "redisUrl",
  connectionstring: "redisUrl",
  prefix: "redisPrefix",
  keyprefix: "redisPrefix",
  wsport: "port",
  httpport: "port",
  listenport: "port",
  host: "listenHost",
  hostname: "listenHost",
  address: "listenHost",
  id: "serverId",
  servername: "serverId",
  nodeid: "serverId",
  adminport: "admin",
  adminhost: "admin",
  metrics: "admin",
  auth: "authenticate",
  verifyclient: "authenticate",
  jwt: "tokens",
  secret: "tokens",
  tokensecret: "tokens",
  onrefresh: "refresh",
  onconnection: "onConnect",
  ondisconnect: "onClose",
  onmessage: "onPublish",
  ondirect: "onSend",
  onerror: "logger",
  log: "logger",
  loglevel: "logger",
  origin: "allowedOrigins",
  origins: "allowedOrigins",
  cors: "allowedOrigins",
  maxpayload: "maxFrameBytes",
  maxpayloadlength: "maxFrameBytes",
  bodylimit: "routes",
  handlers: "routes",
  routetimeoutms: "hookTimeoutMs",
  drainseconds: "drainMs",
  drainoverms: "drainMs",
};

/** Throws `options-invalid` if the name is unknown. The error suggests the name that was probably meant. */
export function requireKnownName(field: string, known: ReadonlySet<string>, parent = ""): void {
  if (known.has(field)) return;
  // Ignore case and underscores, so that the name of the environment variable, such as `ADMIN_PORT`, is found
  // too.
  const plain = field.toLowerCase().replaceAll("_", "");
  const elsewhere = Object.hasOwn(CALLED_ELSEWHERE, plain) ? CALLED_ELSEWHERE[plain] : undefined;
  const nearest =
    nearestName(field, [...known]) ?? (elsewhere !== undefined && known.has(elsewhere) ? elsewhere : undefined);
  const hint = nearest === undefined ? "" : ` Did you mean ${parent}${nearest}?`;
  throw new CmError("options-invalid", `${parent}${field} is not a known option.${hint}`, {
    details: { field: `${parent}${field}`, nearest },
  });
}
