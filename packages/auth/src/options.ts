import { createPublicKey, type KeyObject } from "node:crypto";
import { CmError } from "@cm/protocol";
import {
  optionInvalid,
  requireDurationMs,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { TokenSource } from "./request-token.js";

/** The supported signature algorithms, RFC 7518 and RFC 8037. */
export type TokenAlgorithm = "HS256" | "RS256" | "ES256" | "EdDSA";

/**
 * Options of {@link createTokenVerifier}. Exactly one of `secret`, `publicKey` and `jwksUrl` must be given; all
 * other options have defaults.
 */
export interface TokenVerifierOptions {
  /** A shared secret of 32 bytes or more, for HS256; a string is encoded as UTF-8. */
  readonly secret?: string | Uint8Array | undefined;
  /**
   * A public key in PEM, for RS256 (2,048 bits or more), ES256 (P-256) or EdDSA (Ed25519). The type of
   * the key determines the algorithm.
   */
  readonly publicKey?: string | undefined;
  /**
   * The URL of a key set (RFC 7517), for RS256, ES256 and EdDSA: `https:`, or `http:` on a loopback
   * address; without a user name and password.
   */
  readonly jwksUrl?: string | undefined;
  /** The required value of `iss`. Default: any. */
  readonly issuer?: string | undefined;
  /** The value that `aud` must equal or contain. Default: any. */
  readonly audience?: string | undefined;
  /**
   * Maximum difference between the clocks of issuer and server, in milliseconds. 0 to 600,000; default
   * 5,000.
   */
  readonly clockToleranceMs?: number | undefined;
  /** The places in a request from which a token is read. Default: `authorization` and `subprotocol`. */
  readonly sources?: readonly TokenSource[] | undefined;
  /** The name of the URL parameter with the token. Default `token`. */
  readonly queryName?: string | undefined;
  /** The name of the cookie with the token. Default `token`. */
  readonly cookieName?: string | undefined;
  /** The name of the claim with the user's rights, see {@link RightsClaim}. Default `cm`. */
  readonly rightsClaim?: string | undefined;
  /** The name of the claim with the application's data about the user. Default `info`. */
  readonly infoClaim?: string | undefined;
  /** Maximum length of a token, in characters. 256 to 65,536; default 8,192. */
  readonly maxTokenLength?: number | undefined;
  /** Maximum time for fetching the key set, in milliseconds. 1 to 60,000; default 3,000. */
  readonly jwksTimeoutMs?: number | undefined;
  /**
   * How long a fetched key set is used before it is fetched again, in milliseconds. A token with an unknown key
   * causes an earlier fetch, at most once in 10 s. While there is no usable key set, a failed fetch is repeated
   * at most once a second. 1,000 to 86,400,000 (a day); default 600,000.
   */
  readonly jwksMaxAgeMs?: number | undefined;
}

/** The key with which tokens are verified, or the URL of the key set. */
export type KeySource =
  | { readonly kind: "secret"; readonly secret: Uint8Array }
  | { readonly kind: "publicKey"; readonly key: KeyObject }
  | { readonly kind: "jwks"; readonly url: URL };

/** {@link TokenVerifierOptions}, checked and with defaults filled in. */
export interface ResolvedTokenVerifierOptions {
  readonly key: KeySource;
  readonly algorithms: readonly TokenAlgorithm[];
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly clockToleranceMs: number;
  readonly sources: readonly TokenSource[];
  readonly queryName: string;
  readonly cookieName: string;
  readonly rightsClaim: string;
  readonly infoClaim: string;
  readonly maxTokenLength: number;
  readonly jwksTimeoutMs: number;
  readonly jwksMaxAgeMs: number;
}

/** Minimum size of a secret, by RFC 7518, 3.2: the key must have at least the size of the hash. */
const SECRET_MIN_BYTES = 32;

/** Minimum size of an RSA key, by RFC 7518, 3.3. */
const RSA_MIN_BITS = 2048;

const SOURCES: readonly TokenSource[] = ["authorization", "subprotocol", "query", "cookie"];

const KNOWN: Readonly<Record<keyof TokenVerifierOptions, true>> = {
  secret: true,
  publicKey: true,
  jwksUrl: true,
  issuer: true,
  audience: true,
  clockToleranceMs: true,
  sources: true,
  queryName: true,
  cookieName: true,
  rightsClaim: true,
  infoClaim: true,
  maxTokenLength: true,
  jwksTimeoutMs: true,
  jwksMaxAgeMs: true,
};

/**
 * Checks the options and fills in the defaults. Throws `options-invalid`, whose details name the option
 * as `field`.
 */
export function resolveTokenVerifierOptions(options: TokenVerifierOptions): ResolvedTokenVerifierOptions {
  requireOptions(options, KNOWN);
  const { key, algorithms } = keyOf(options);
  const { issuer, audience, sources = ["authorization", "subprotocol"] } = options;
  if (!Array.isArray(sources) || sources.length === 0 || sources.some((source) => !SOURCES.includes(source))) {
    throw optionInvalid("sources", `a list of ${SOURCES.join(", ")}`);
  }
  return {
    key,
    algorithms,
    issuer: issuer === undefined ? undefined : requireText("issuer", issuer),
    audience: audience === undefined ? undefined : requireText("audience", audience),
    clockToleranceMs: requireDurationMs("clockToleranceMs", options.clockToleranceMs ?? 5_000, 0, 600_000),
    sources,
    queryName: requireText("queryName", options.queryName ?? "token"),
    cookieName: requireText("cookieName", options.cookieName ?? "token"),
    rightsClaim: requireText("rightsClaim", options.rightsClaim ?? "cm"),
    infoClaim: requireText("infoClaim", options.infoClaim ?? "info"),
    maxTokenLength: requireWholeNumber("maxTokenLength", options.maxTokenLength ?? 8_192, { min: 256, max: 65_536 }),
    jwksTimeoutMs: requireDurationMs("jwksTimeoutMs", options.jwksTimeoutMs ?? 3_000, 1, 60_000),
    jwksMaxAgeMs: requireDurationMs("jwksMaxAgeMs", options.jwksMaxAgeMs ?? 600_000, 1_000),
  };
}

function keyOf({
  secret,
  publicKey,
  jwksUrl,
}: TokenVerifierOptions): Pick<ResolvedTokenVerifierOptions, "key" | "algorithms"> {
  const given = Object.entries({ secret, publicKey, jwksUrl }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    throw new CmError("options-invalid", "Exactly one of secret, publicKey and jwksUrl must be given.", {
      details: { field: given[1]?.[0] ?? "secret" },
    });
  }
  if (secret !== undefined) return { key: { kind: "secret", secret: secretOf(secret) }, algorithms: ["HS256"] };
  if (publicKey !== undefined) {
    const key = publicKeyOf(publicKey);
    return { key: { kind: "publicKey", key }, algorithms: [algorithmOf(key)] };
  }
  return { key: { kind: "jwks", url: jwksUrlOf(jwksUrl) }, algorithms: ["RS256", "ES256", "EdDSA"] };
}

/** Checks and copies the secret. The error never contains the secret. */
export function secretOf(secret: unknown): Uint8Array {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
  if (bytes instanceof Uint8Array && bytes.byteLength >= SECRET_MIN_BYTES) return Uint8Array.from(bytes);
  throw optionInvalid("secret", `text or bytes of ${SECRET_MIN_BYTES} bytes or more`);
}

function publicKeyOf(pem: unknown): KeyObject {
  // Reject private keys: `createPublicKey` would accept one and derive the public key, but a verifier
  // must not hold a private key.
  if (typeof pem === "string" && !pem.includes("PRIVATE KEY")) {
    try {
      return createPublicKey(pem);
    } catch {
      // Ignore this error, because it may contain parts of the text, and throw the one below.
    }
  }
  throw optionInvalid("publicKey", "a PEM public key (it begins with -----BEGIN PUBLIC KEY-----)");
}

function algorithmOf(key: KeyObject): TokenAlgorithm {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === "ed25519") return "EdDSA";
  if (asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1") return "ES256";
  if (asymmetricKeyType === "rsa" && (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_MIN_BITS) return "RS256";
  throw optionInvalid(
    "publicKey",
    `an RSA key of ${RSA_MIN_BITS} bits or more, one on the curve P-256, or an Ed25519 key`,
  );
}

function jwksUrlOf(text: unknown): URL {
  if (typeof text === "string" && URL.canParse(text)) {
    const url = new URL(text);
    const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
    const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback);
    // Refuse credentials in the URL: `fetch` would reject with an error that contains them, and the error is logged.
    if (isSafe && url.username === "" && url.password === "") return url;
  }
  throw optionInvalid("jwksUrl", "an https URL, or an http URL of a loopback address, without user and password");
}
