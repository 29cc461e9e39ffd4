import { ALGORITHMS, signHs256, type TokenIssuer, tokenPart } from "../token-issuer.js";
import { type Draws, ODD_VALUES } from "./random-values.js";

const CLAIMS = ["sub", "exp", "nbf", "iat", "jti", "iss", "aud", "cm", "info"];

/** Returns claims, one of which may have an odd value. */
function oddClaims(draws: Draws): Record<string, unknown> {
  const rights = { [draws.of(["join", "publish", "members", "send", "presence", "odd"])]: draws.of(ODD_VALUES) };
  return { sub: "mallory", exp: 2 ** 33, [draws.of(CLAIMS)]: draws.of([...ODD_VALUES, rights]) };
}

/** Changes a token that is valid: another algorithm, header, claims or signature, or damage anywhere. */
function changed(draws: Draws, token: string): string {
  const [head = "", body = "", signature = ""] = token.split(".");
  const claims = oddClaims(draws);
  return draws.of([
    () => `${tokenPart({ alg: "none" })}.${tokenPart(claims)}.`,
    () =>
      `${tokenPart({ alg: draws.of(["HS256", ...ALGORITHMS, "HS512"]), kid: draws.of(ALGORITHMS) })}.` +
      `${tokenPart(claims)}.${signature}`,
    () => `${tokenPart(draws.of(ODD_VALUES))}.${body}.${signature}`,
    () => `${head}.${tokenPart(claims)}.${signature}`,
    () => `${head}.${body}.${draws.bytes(32).toString("base64url")}`,
    () =>
      draws
        .damaged(Buffer.from(token))
        .toString("latin1")
        .replace(/[^!-~]/g, "!"),
  ])();
}

/** A token for a gateway with a shared secret: changed, or correctly signed with odd claims. */
export function tokenOfSecret(draws: Draws, token: string, secret: string): string {
  return draws.below(3) > 0 ? changed(draws, token) : signHs256(secret, {}, oddClaims(draws));
}

/**
 * A token for a gateway with a key set: changed, correctly signed with odd claims, signed with the key of another
 * algorithm or an unknown one, or signed with a public key as if it were a shared secret.
 */
export function tokenOfKeySet(draws: Draws, token: string, issuer: TokenIssuer): string {
  const algorithm = draws.of(ALGORITHMS);
  return draws.of([
    () => changed(draws, token),
    () => changed(draws, token),
    () => issuer.sign(algorithm, oddClaims(draws)),
    () => issuer.sign(algorithm, oddClaims(draws), draws.of([...ALGORITHMS, "unknown", ""])),
    () => signHs256(issuer.publicText(algorithm), { kid: algorithm }, { sub: "mallory", exp: 2 ** 33 }),
  ])();
}
