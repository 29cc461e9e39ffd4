import { ALGORITHMS, signHs256, type TokenIssuer, tokenPart } from "../token-issuer.js";
import { ODD_VALUES, type SeededRandom } from "./random-values.js";

const CLAIMS = ["sub", "exp", "nbf", "iat", "jti", "iss", "aud", "cm", "info"];

/** Returns claims, one of which may have an odd value. */
function oddClaims(random: SeededRandom): Record<string, unknown> {
  const rights = { [random.of(["join", "publish", "members", "send", "presence", "odd"])]: random.of(ODD_VALUES) };
  return { sub: "mallory", exp: 2 ** 33, [random.of(CLAIMS)]: random.of([...ODD_VALUES, rights]) };
}

/** Changes a token that is valid: another algorithm, header, claims or signature, or damage anywhere. */
function changed(random: SeededRandom, token: string): string {
  const [head = "", body = "", signature = ""] = token.split(".");
  const claims = oddClaims(random);
  return random.of([
    () => `${tokenPart({ alg: "none" })}.${tokenPart(claims)}.`,
    () =>
      `${tokenPart({ alg: random.of(["HS256", ...ALGORITHMS, "HS512"]), kid: random.of(ALGORITHMS) })}.` +
      `${tokenPart(claims)}.${signature}`,
    () => `${tokenPart(random.of(ODD_VALUES))}.${body}.${signature}`,
    () => `${head}.${tokenPart(claims)}.${signature}`,
    () => `${head}.${body}.${random.bytes(32).toString("base64url")}`,
    () =>
      random
        .damaged(Buffer.from(token))
        .toString("latin1")
        .replace(/[^!-~]/g, "!"),
  ])();
}

/** A token for a gateway with a shared secret: changed, or correctly signed with odd claims. */
export function tokenOfSecret(random: SeededRandom, token: string, secret: string): string {
  return random.below(3) > 0 ? changed(random, token) : signHs256(secret, {}, oddClaims(random));
}

/**
 * A token for a gateway with a key set: changed, correctly signed with odd claims, signed with the key of another
 * algorithm or an unknown one, or signed with a public key as if it were a shared secret.
 */
export function tokenOfKeySet(random: SeededRandom, token: string, issuer: TokenIssuer): string {
  const algorithm = random.of(ALGORITHMS);
  return random.of([
    () => changed(random, token),
    () => changed(random, token),
    () => issuer.sign(algorithm, oddClaims(random)),
    () => issuer.sign(algorithm, oddClaims(random), random.of([...ALGORITHMS, "unknown", ""])),
    () => signHs256(issuer.publicText(algorithm), { kid: algorithm }, { sub: "mallory", exp: 2 ** 33 }),
  ])();
}
