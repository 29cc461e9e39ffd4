import { createTokenVerifier } from "@cm/auth";
import { isCmError } from "@cm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { ALGORITHMS, signHs256, TokenIssuer } from "../token-issuer.js";
import { tokenOfKeySet, tokenOfSecret } from "./forged-tokens.js";
import { SeededRandom } from "./random-values.js";

const SECRET = "a secret of thirty-two bytes or more";
const CLAIMS = { sub: "fuzz", exp: 2 ** 33 };
const DRAWN_MAX = 20_000;

/** Draws tokens until each outcome was seen: `accepted`, or the reason of a refusal. Returns those never seen. */
async function missingOutcomes(
  expected: readonly string[],
  verify: (token: string) => Promise<unknown>,
  draw: () => string,
): Promise<string[]> {
  const missing = new Set(expected);
  for (let drawn = 0; drawn < DRAWN_MAX && missing.size > 0; drawn++) {
    const outcome = await verify(draw()).then(
      () => "accepted",
      (error: unknown) => (isCmError(error) && error.code === "unauthorized" ? error.details?.reason : error),
    );
    expect(expected).toContain(outcome);
    missing.delete(String(outcome));
  }
  return [...missing];
}

const REASONS = ["malformed", "signature", "algorithm", "expired", "not-yet-valid", "claim"];

describe("the tokens of the fuzz", () => {
  it("are valid for a gateway with a key set if nothing is changed, and otherwise refused for each reason", async () => {
    const issuer = await TokenIssuer.start();
    onTestFinished(() => issuer.close());
    const verifier = createTokenVerifier({ jwksUrl: issuer.jwksUrl });
    const valid = ALGORITHMS.map((algorithm) => issuer.sign(algorithm, CLAIMS));
    for (const token of valid) expect(await verifier.verify(token)).toMatchObject({ userId: "fuzz" });
    const random = new SeededRandom(1);
    const draw = (): string => tokenOfKeySet(random, random.of(valid), issuer);
    const missing = await missingOutcomes(["accepted", "key-unknown", ...REASONS], verifier.verify, draw);
    expect(missing).toEqual([]);
  });

  it("are valid for a gateway with a secret if nothing is changed, and otherwise refused for each reason", async () => {
    const verifier = createTokenVerifier({ secret: SECRET });
    const valid = signHs256(SECRET, {}, CLAIMS);
    expect(await verifier.verify(valid)).toMatchObject({ userId: "fuzz" });
    const random = new SeededRandom(1);
    const draw = (): string => tokenOfSecret(random, valid, SECRET);
    expect(await missingOutcomes(["accepted", ...REASONS], verifier.verify, draw)).toEqual([]);
  });
});
