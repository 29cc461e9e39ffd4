import { CmError, requireName } from "@cm/protocol";
import { optionInvalid, requireDurationMs, requireFields, requireText } from "@cm/protocol/options";
import { SignJWT } from "jose";
import { secretOf } from "./options.js";
import { ACTIONS, type Action, Rights, type RightsClaim } from "./rights.js";

/** The contents of a token that {@link signDevelopmentToken} signs. */
export interface DevelopmentToken {
  /** The claim `sub`: the id of the token's user. */
  readonly userId: string;
  /** The user's rights. Default: none. */
  readonly rights?: RightsClaim | undefined;
  /** The application's own data about the user. Default: none. */
  readonly info?: unknown;
  /** How long the token is valid, in milliseconds. 1,000 to 86,400,000 (a day); default 3,600,000 (an hour). */
  readonly ttlMs?: number | undefined;
  /** The claim `jti`, by which the token can be revoked. Default: none. */
  readonly tokenId?: string | undefined;
  /** The claim `iss`. Default: none. */
  readonly issuer?: string | undefined;
  /** The claim `aud`. Default: none. */
  readonly audience?: string | undefined;
}

const KNOWN: Readonly<Record<keyof DevelopmentToken, true>> = {
  userId: true,
  rights: true,
  info: true,
  ttlMs: true,
  tokenId: true,
  issuer: true,
  audience: true,
};

const KNOWN_ACTIONS = Object.fromEntries(ACTIONS.map((action) => [action, true])) as Readonly<Record<Action, true>>;

/**
 * Signs a token with a shared secret (HS256), for development and tests. In production, the service
 * that knows the users should issue the tokens. Rejects with `options-invalid`, also for a name that no token has, such
 * as a misspelt action in `rights`.
 */
export async function signDevelopmentToken(secret: string | Uint8Array, token: DevelopmentToken): Promise<string> {
  // If a program without types passes no token, the check of `userId` refuses it.
  const given = requireFields("token", Object(token) as DevelopmentToken, KNOWN, '{ userId: "ada" }');
  const { userId, rights, info, ttlMs = 3_600_000, tokenId, issuer, audience } = given;
  const key = secretOf(secret);
  try {
    requireName(userId, "user");
  } catch (cause) {
    throw new CmError("options-invalid", "userId must be a name of 1 to 255 bytes.", {
      cause,
      details: { field: "userId" },
    });
  }
  const parsed = Rights.parse(rights, userId);
  if (!parsed.ok) throw optionInvalid("rights", "rights, as in a token's claims", { cause: parsed.error.message });
  // A verifier would ignore an unknown action, because later versions may have more of them.
  if (rights !== undefined) requireFields("rights", rights, KNOWN_ACTIONS, '{ join: ["lobby"] }');
  if (tokenId !== undefined) requireText("tokenId", tokenId);
  if (issuer !== undefined) requireText("issuer", issuer);
  if (audience !== undefined) requireText("audience", audience);
  // Times in tokens are integer seconds. Rounding up makes the token valid for at least the requested
  // time.
  const now = Date.now();
  const expires = Math.ceil((now + requireDurationMs("ttlMs", ttlMs, 1_000)) / 1000);
  const jwt = new SignJWT({
    ...(rights === undefined ? {} : { cm: rights }),
    ...(info === undefined ? {} : { info }),
  })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(userId)
    .setIssuedAt(Math.floor(now / 1000))
    .setExpirationTime(expires);
  if (tokenId !== undefined) jwt.setJti(tokenId);
  if (issuer !== undefined) jwt.setIssuer(issuer);
  if (audience !== undefined) jwt.setAudience(audience);
  return jwt.sign(key);
}
