import { CmError } from "@cm/protocol";
import { createRemoteJWKSet, customFetch, type JWKSCacheInput, type JWTVerifyGetKey, jwksCache } from "jose";
import type { ResolvedTokenVerifierOptions } from "./options.js";

/** Maximum size of a key set, in bytes; enough for several hundred keys. */
const JWKS_MAX_BYTES = 262_144;

/** Minimum time between two fetches that tokens with unknown keys cause, in milliseconds. */
const UNKNOWN_KEY_COOLDOWN_MS = 10_000;

/**
 * Minimum time between two fetches while there is no usable key set, in milliseconds. It is short, because no
 * token can be verified before a fetch succeeds.
 */
const NO_KEYS_COOLDOWN_MS = 1_000;

/** Returns a function that looks up a token's key in a key set. Fetches the set from a URL, at a bounded rate. */
export function remoteKeys(
  url: URL,
  { jwksTimeoutMs, jwksMaxAgeMs }: Pick<ResolvedTokenVerifierOptions, "jwksTimeoutMs" | "jwksMaxAgeMs">,
): JWTVerifyGetKey {
  // `jose` sets `uat` to the time of each successful fetch.
  const latest: JWKSCacheInput = {};
  let began: { readonly atMs: number; readonly uat: number | undefined } | undefined;
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: jwksTimeoutMs,
    cacheMaxAge: jwksMaxAgeMs,
    cooldownDuration: UNKNOWN_KEY_COOLDOWN_MS,
    [jwksCache]: latest,
    [customFetch]: async (address, init) => {
      // `jose` itself only pauses after a fetch that succeeded.
      const atMs = performance.now();
      const cooldownMs = keys.fresh ? UNKNOWN_KEY_COOLDOWN_MS : NO_KEYS_COOLDOWN_MS;
      if (began !== undefined && began.uat === latest.uat && atMs < began.atMs + cooldownMs) {
        throw new CmError("unavailable", "The keys for verifying tokens could not be fetched a moment ago.");
      }
      began = { atMs, uat: latest.uat };
      return boundedFetch(address, init);
    },
  });
  return keys;
}

/** Fetches a document of bounded size; `fetch` itself reads a body of any size. */
async function boundedFetch(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Throwing leaves the loop, and leaving the loop cancels the body.
    if (bytes > JWKS_MAX_BYTES) throw new Error(`The key set is larger than ${JWKS_MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
