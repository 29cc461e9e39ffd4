import { createTokenVerifier } from "@cm/auth";
import { isCmError } from "@cm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import { tokenOfKeySet, tokenOfSecret } from "./forged-tokens.js";
import { Draws } from "./random-values.js";
import { ALGORITHMS, signHs256, TokenIssuer } from "./signing-keys.js";

const SECRET = "a secret of thirty-two bytes or more";
const CLAIMS = { sub: "fuzz", exp: 2 ** 33 };
const DRAWN = 1_000;

/** What a verifier says of drawn tokens: `accepted`, or the reason of a refusal. */
async function outcomesOf(verify: (token: string) => Promise<unknown>, draw: () => string): Promise<Set<unknown>> {
  const outcomes = new Set<unknown>();
  for (let drawn = 0; drawn < DRAWN; drawn++) {
    const outcome = await verify(draw()).then(
      () => "accepted",
      (error: unknown) => (isCmError(error) && error.code === "unauthorized" ? error.details?.reason : error),
    );
    outcomes.add(outcome);
  }
  return outcomes;
}

describe("the tokens of the fuzz", () => {
  it("are valid for a gateway with a key set if nothing is changed, and otherwise refused for each reason", async () => {
    const issuer = await TokenIssuer.start();
    onTestFinished(() => issuer.close());
    const verifier = createTokenVerifier({ jwksUrl: issuer.jwksUrl });
    const valid = ALGORITHMS.map((algorithm) => issuer.sign(algorithm, CLAIMS));
    for (const token of valid) expect(await verifier.verify(token)).toMatchObject({ userId: "fuzz" });
    const draws = new Draws(1);
    const outcomes = await outcomesOf(verifier.verify, () => tokenOfKeySet(draws, draws.of(valid), issuer));
    const reasons = ["malformed", "signature", "algorithm", "key-unknown", "expired", "not-yet-valid", "claim"];
    expect([...outcomes].sort()).toEqual(["accepted", ...reasons].sort());
  });

  it("are valid for a gateway with a secret if nothing is changed, and otherwise refused for each reason", async () => {
    const verifier = createTokenVerifier({ secret: SECRET });
    const valid = signHs256(SECRET, {}, CLAIMS);
    expect(await verifier.verify(valid)).toMatchObject({ userId: "fuzz" });
    const draws = new Draws(1);
    const outcomes = await outcomesOf(verifier.verify, () => tokenOfSecret(draws, valid, SECRET));
    const reasons = ["malformed", "signature", "algorithm", "expired", "not-yet-valid", "claim"];
    expect([...outcomes].sort()).toEqual(["accepted", ...reasons].sort());
  });
});
