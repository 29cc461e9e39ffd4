import { CmError, isCmError, requireName } from "@cm/protocol";
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import {
  type KeySource,
  type ResolvedTokenVerifierOptions,
  resolveTokenVerifierOptions,
  type TokenVerifierOptions,
} from "./options.js";
import { remoteKeys } from "./remote-keys.js";
import { type TokenRequest, tokenOf } from "./request-token.js";
import { Rights } from "./rights.js";

/** The contents of a token whose signature and times have been verified. */
export interface Identity {
  /** The claim `sub`. */
  readonly userId: string;
  /** The claim `jti`, by which a single token can be revoked. */
  readonly tokenId: string | undefined;
  /** The claim `iat`, in milliseconds since the Unix epoch. */
  readonly issuedAtMs: number | undefined;
  /** The claim `exp`, in milliseconds since the Unix epoch. */
  readonly expiresAtMs: number;
  /** The rights that the token grants. */
  readonly rights: Rights;
  /** The application's own data about the user, from `infoClaim`, unchanged. */
  readonly info: unknown;
}

/** Verifies tokens. */
export interface TokenVerifier {
  /** Returns the token of an upgrade request. Throws `unauthorized`. */
  read(request: TokenRequest): string;
  /**
   * Verifies a token. Rejects with `unauthorized` if the token is not accepted, with one of these values in
   * `details.reason`: `malformed`, `too-long`, `signature`, `algorithm`, `key-unknown`, `expired`,
   * `not-yet-valid` or `claim`. Rejects with `unavailable` if the key set can't be fetched, with the failure as
   * the error's `cause`; without a `cause` if no fetch was tried because one failed shortly before. No error
   * contains any part of the token.
   */
  verify(token: string): Promise<Identity>;
}

/** Creates a token verifier. Throws `options-invalid`. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const resolved = resolveTokenVerifierOptions(options);
  const keyFor = keyLookup(resolved.key, resolved);
  return {
    read: (request) => tokenOf(request, resolved.sources, resolved),
    verify: async (token) => {
      if (typeof token !== "string") throw refused("malformed", "The token must be text.");
      if (token.length > resolved.maxTokenLength) {
        throw refused("too-long", `The token is over ${resolved.maxTokenLength} characters.`);
      }
      return identityOf(await payloadOf(token, keyFor, resolved), resolved);
    },
  };
}

function keyLookup(key: KeySource, options: ResolvedTokenVerifierOptions): JWTVerifyGetKey {
  switch (key.kind) {
    case "secret":
      return () => key.secret;
    case "publicKey":
      return () => key.key;
    case "jwks":
      return remoteKeys(key.url, options);
  }
}

async function payloadOf(
  token: string,
  keyFor: JWTVerifyGetKey,
  { algorithms, issuer, audience, clockToleranceMs }: ResolvedTokenVerifierOptions,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keyFor, {
      algorithms: [...algorithms],
      clockTolerance: clockToleranceMs / 1000,
      requiredClaims: ["sub", "exp"],
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    });
    return payload;
  } catch (error) {
    throw toRefusal(error);
  }
}

function identityOf(payload: JWTPayload, { rightsClaim, infoClaim }: ResolvedTokenVerifierOptions): Identity {
  const { sub, jti, iat, nbf, exp, iss, aud } = payload;
  let userId: string;
  try {
    userId = requireName(sub, "user");
  } catch {
    throw refused("claim", "The token's sub must be a name of 1 to 255 bytes.");
  }
  if (jti !== undefined && typeof jti !== "string") throw refused("claim", "The token's jti must be text.");
  if (exp === undefined) throw refused("claim", "The token must say when it expires.");
  // Refuse infinite times: JSON's 1e400 is read as Infinity. With such an `exp` a token would never expire, and
  // with such an `iat` it could not be revoked by its time.
  for (const [claim, time] of Object.entries({ iat, nbf, exp })) {
    if (time !== undefined && !Number.isFinite(time)) throw refused("claim", `The token's ${claim} must be a time.`);
  }
  if (iss !== undefined && typeof iss !== "string") throw refused("claim", "The token's iss must be text.");
  if (aud !== undefined && !isAudience(aud))
    throw refused("claim", "The token's aud must be text, or a list of texts.");
  const rights = Rights.parse(payload[rightsClaim], userId);
  if (!rights.ok) throw refused("claim", rights.error.message);
  return {
    userId,
    tokenId: jti,
    issuedAtMs: iat === undefined ? undefined : iat * 1000,
    expiresAtMs: exp * 1000,
    rights: rights.value,
    info: payload[infoClaim],
  };
}

function isAudience(aud: unknown): boolean {
  return [aud].flat().every((name) => typeof name === "string");
}

/** The reason and message for each fault of a token, by the error code of `jose`. */
const REASONS: Readonly<Record<string, readonly [reason: string, message: string]>> = {
  [errors.JWTExpired.code]: ["expired", "The token has expired."],
  [errors.JWSSignatureVerificationFailed.code]: ["signature", "The token's signature is not valid."],
  [errors.JOSEAlgNotAllowed.code]: ["algorithm", "The token is signed with an algorithm that is not accepted here."],
  [errors.JOSENotSupported.code]: ["algorithm", "The token is signed in a way that is not supported."],
  [errors.JWKSNoMatchingKey.code]: ["key-unknown", "The token is signed with a key that the key set does not hold."],
  [errors.JWKSMultipleMatchingKeys.code]: [
    "key-unknown",
    "The token does not say which key of the key set it is signed with.",
  ],
  [errors.JWSInvalid.code]: ["malformed", "The token is not a signed JWT."],
  [errors.JWTInvalid.code]: ["malformed", "The token's claims are malformed."],
};

function toRefusal(error: unknown): CmError {
  if (isCmError(error)) return error;
  if (error instanceof errors.JWTClaimValidationFailed) {
    // For any other reason than `check_failed`, `nbf` is not a number, which is a fault of the claim.
    if (error.claim === "nbf" && error.reason === "check_failed")
      return refused("not-yet-valid", "The token is not valid yet.");
    return refused("claim", `The token's claim ${error.claim} is missing, or not what it must be.`);
  }
  const known = error instanceof errors.JOSEError ? REASONS[error.code] : undefined;
  if (known !== undefined) return refused(...known);
  // The key set could not be fetched or read, or contains keys that can't be used.
  return new CmError("unavailable", "The keys for verifying tokens can't be fetched.", { cause: error });
}

function refused(reason: string, message: string): CmError {
  return new CmError("unauthorized", message, { details: { reason } });
}
