import {
  ACTIONS,
  createTokenVerifier,
  type Identity,
  type RightsClaim,
  signDevelopmentToken,
  type TokenVerifier,
  type TokenVerifierOptions,
} from "@cm/auth";
import { CmError, isCmError } from "@cm/protocol";
import { EnvReader } from "../config/env-reader.js";
import { readTokens, variableOf } from "../config/token-settings.js";
import { EXIT } from "../exit-codes.js";
import { print, printError } from "../terminal-output.js";

const text = { type: "string" } as const;
const patterns = { type: "string", multiple: true } as const;

/** The options of `cm-gateway token`. */
export const TOKEN_OPTIONS = {
  user: text,
  ttl: text,
  id: text,
  check: text,
  join: patterns,
  publish: patterns,
  members: patterns,
  send: patterns,
  presence: patterns,
} as const;

type TokenArguments = {
  readonly [K in keyof typeof TOKEN_OPTIONS]?: (typeof TOKEN_OPTIONS)[K] extends typeof patterns ? string[] : string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Creates or verifies a token. Resolves with the exit code. Rejects with `options-invalid` if the arguments are
 * invalid, and with `config-invalid` if the environment variables are invalid.
 */
export async function runTokenCommand(args: TokenArguments, env: Environment): Promise<number> {
  const reader = new EnvReader(env);
  const tokens = readTokens(reader);
  reader.finish();
  if (args.check !== undefined) {
    const other = Object.keys(args).find((name) => name !== "check");
    if (other !== undefined) throw usage(`--check can't be given beside --${other}`);
    if (tokens === undefined) throw missing("set a key: TOKEN_SECRET, TOKEN_PUBLIC_KEY or TOKEN_JWKS_URL");
    return check(args.check, verifierOf(tokens));
  }
  const { user, ttl, id } = args;
  if (user === undefined) throw usage("give --user NAME or --check TOKEN");
  if (tokens?.secret === undefined) throw missing("set TOKEN_SECRET, which signs the token");
  verifierOf(tokens);
  if (ttl !== undefined && !(/^\d{1,5}$/.test(ttl) && Number(ttl) >= 1 && Number(ttl) <= 86_400)) {
    throw usage("--ttl must be a whole number of seconds, 1 to 86400");
  }
  const rights: RightsClaim = Object.fromEntries(ACTIONS.map((action) => [action, args[action] ?? []]));
  const { secret, issuer, audience } = tokens;
  const token = await signDevelopmentToken(secret, {
    userId: user,
    rights,
    tokenId: id,
    issuer: issuer === undefined ? undefined : String(issuer),
    audience: audience === undefined ? undefined : String(audience),
    ...(ttl === undefined ? {} : { ttlMs: 1000 * Number(ttl) }),
  });
  print(1, token);
  return EXIT.ok;
}

/** Creates the verifier that a gateway would use. Throws `config-invalid` if the settings can't be used. */
function verifierOf(tokens: TokenVerifierOptions): TokenVerifier {
  try {
    return createTokenVerifier(tokens);
  } catch (cause) {
    if (!isCmError(cause)) throw cause;
    throw new CmError("config-invalid", `${variableOf(String(cause.details?.field))} can't be used: ${cause.message}`, {
      cause,
    });
  }
}

async function check(token: string, verifier: TokenVerifier): Promise<number> {
  let identity: Identity;
  try {
    identity = await verifier.verify(token);
  } catch (error) {
    if (!isCmError(error)) throw error;
    const reason = error.details?.reason;
    printError(`${error.code}${reason === undefined ? "" : ` (${String(reason)})`}: ${error.message}`);
    return EXIT.fault;
  }
  const { userId, tokenId, expiresAtMs } = identity;
  const facts = { user: userId, id: tokenId, rights: rightsIn(token), expires: new Date(expiresAtMs).toISOString() };
  print(1, JSON.stringify(facts, null, 2));
  return EXIT.ok;
}

/** The rights claim (`cm`) of a token that has been verified. */
function rightsIn(token: string): unknown {
  const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  return (Object(claims) as { readonly cm?: unknown }).cm ?? {};
}

function usage(message: string): CmError {
  return new CmError("options-invalid", `${message}. See cm-gateway --help.`);
}

function missing(message: string): CmError {
  return new CmError("config-invalid", `${message}.`);
}
