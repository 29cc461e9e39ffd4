import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  connect,
  connectWith,
  forge,
  refusal,
  SECRET,
  serveCounting,
  tokenFor,
  tokenIssued,
} from "./token-clients.fixture.js";

const NOW = Math.floor(Date.now() / 1000);
const GOOD = { sub: "ada", exp: NOW + 3_600, iss: "me", aud: "cm" };
const HS256 = { alg: "HS256" };

const claims = (more: object): string => forge(HS256, { ...GOOD, ...more });

const BAD: readonly (readonly [name: string, reason: string, token: string])[] = [
  ["text that is no token", "malformed", "no-token"],
  ["two parts", "malformed", "e30.e30"],
  ["claims that are no object", "malformed", forge(HS256, "[1,2,3,4,5,6]")],
  ["a changed signature", "signature", `${claims({})}x`],
  ["another secret", "signature", forge(HS256, GOOD, "another secret of thirty-two bytes")],
  ["an oversized one", "too-long", claims({ info: "x".repeat(8_192) })],
  ["no algorithm", "algorithm", `${forge({ alg: "none" }, GOOD).split(".").slice(0, 2).join(".")}.`],
  ["a longer hash", "algorithm", forge({ alg: "HS512" }, GOOD)],
  ["an algorithm of public keys", "algorithm", forge({ alg: "RS256" }, GOOD)],
  ["an expired one", "expired", claims({ exp: NOW - 60 })],
  ["one of the future", "not-yet-valid", claims({ nbf: NOW + 60 })],
  ["another issuer", "claim", claims({ iss: "you" })],
  ["another audience", "claim", claims({ aud: ["x"] })],
  ["a number for the audience", "claim", claims({ aud: 1 })],
  ["text for the issue time", "claim", claims({ iat: "now" })],
  ["text for the start", "claim", claims({ nbf: "now" })],
  ["text for the end", "claim", claims({ exp: "never" })],
  ["no end", "claim", claims({ exp: undefined })],
  ["a number for the user", "claim", claims({ sub: 1 })],
  ["a number for the id", "claim", claims({ jti: 1 })],
  ["null for the rights", "claim", claims({ cm: null })],
  ["text for the rights", "claim", claims({ cm: "*" })],
  ["text for a list of rooms", "claim", claims({ cm: { join: "*" } })],
];

/**
 * Returns the parts of a token that must not appear in a log; those of up to ten characters may be in it by chance.
 */
const partsOf = (token: string): string[] => token.split(".").filter((part) => part.length > 10);

/** Starts a server for a key set on a loopback address. Returns the URL. */
async function serveKeys(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number }; // It listens on TCP.
  return `http://127.0.0.1:${port}/jwks`;
}

describe("a bad token", () => {
  it("is refused with a code and counted by its reason, in an upgrade and in a refresh, and never logged", async () => {
    const { port, gateway, lines, tokensRefused } = await serveCounting({
      tokens: { secret: SECRET, issuer: "me", audience: "cm" },
    });
    const ada = await connectWith(port, claims({}));
    for (const [name, reason, token] of BAD) {
      const before = (await tokensRefused())[reason] ?? 0;
      expect([name, await refusal(port, token)]).toEqual([name, [401, "unauthorized", false]]);
      expect([name, await ada.outcome({ type: "refresh", token })]).toEqual([name, "unauthorized"]);
      expect([name, (await tokensRefused())[reason]]).toEqual([name, before + 2]);
    }
    expect(await ada.outcome({ type: "ping" })).toBe("pong");
    expect(gateway.node.membership.stats().connections).toBe(1);
    const log = lines.join("\n");
    for (const [name, , token] of BAD) {
      for (const part of partsOf(token)) expect([name, log.includes(part)]).toEqual([name, false]);
    }
  });

  it("that a public key does not verify is refused as one with another algorithm or signature", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const { port, tokensRefused } = await serveCounting({ tokens: { publicKey: pem } });
    // The public key is no secret: a client may sign with it as if it were one.
    expect(await refusal(port, forge(HS256, GOOD, pem))).toEqual([401, "unauthorized", false]);
    expect(await refusal(port, forge({ alg: "RS256" }, GOOD, pem))).toEqual([401, "unauthorized", false]);
    expect(await tokensRefused()).toEqual({ algorithm: 1, signature: 1 });
  });

  it("with a key that the key set does not hold is counted as such", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const jwksUrl = await serveKeys((_, response) => {
      response.end(
        JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", alg: "RS256", use: "sig" }] }),
      );
    });
    const { port, tokensRefused } = await serveCounting({ tokens: { jwksUrl } });
    expect(await refusal(port, forge({ alg: "RS256", kid: "x" }, GOOD))).toEqual([401, "unauthorized", false]);
    expect(await refusal(port, forge({ alg: "HS256", kid: "k" }, GOOD))).toEqual([401, "unauthorized", false]);
    expect(await tokensRefused()).toEqual({ "key-unknown": 1, algorithm: 1 });
  });

  it("is counted under every other reason too: missing, revoked, replayed, another user", async () => {
    const { port, gateway, lines, tokensRefused } = await serveCounting();
    const revoked = await tokenFor("ada", { tokenId: "t1" });
    await gateway.revoke({ tokenId: "t1" });
    const ada = await connect(port, "ada");
    const old = tokenIssued(-60);
    for (const token of [revoked, old]) {
      expect(await ada.outcome({ type: "refresh", token })).toBe("unauthorized");
      for (const part of partsOf(token)) expect(lines.join("\n")).not.toContain(part);
    }
    expect(await refusal(port, revoked)).toEqual([401, "unauthorized", false]);
    // The third value is true, because every body contains the empty text.
    expect(await refusal(port, "")).toEqual([401, "unauthorized", true]);
    expect(await ada.outcome({ type: "refresh", token: await tokenFor("bob") })).toBe("forbidden");
    expect(await tokensRefused()).toEqual({ revoked: 2, replayed: 1, "another-user": 1, other: 1 });
  });
});

describe("a key set", () => {
  it.each<[string, RequestListener, string]>([
    ["hangs", (_, response) => void response.write("{"), "JWKSTimeout"],
    ["is huge", (_, response) => void response.end(`{"keys":[],"x":"${"x".repeat(400_000)}"}`), "larger than"],
  ])("that %s makes clients come back later, in an upgrade and in a refresh", async (_, listener, cause) => {
    let isDown = false;
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const keys = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", alg: "EdDSA", use: "sig" }] };
    const jwksUrl = await serveKeys((request, response) => {
      if (isDown) listener(request, response);
      else response.end(JSON.stringify(keys));
    });
    const { port, lines, tokensRefused } = await serveCounting({
      tokens: { jwksUrl, jwksTimeoutMs: 300, jwksMaxAgeMs: 1_000 },
    });
    const input = forge({ alg: "EdDSA", kid: "k" }, GOOD).split(".").slice(0, 2).join(".");
    const token = `${input}.${sign(null, Buffer.from(input), privateKey).toString("base64url")}`;
    const ada = await connectWith(port, token);
    expect(await ada.outcome({ type: "refresh", token })).toBe("ack");
    isDown = true;
    // The keys are used until they are a second old.
    await eventually(async () => expect(await ada.outcome({ type: "refresh", token })).toBe("unavailable"));
    expect(await refusal(port, token)).toEqual([503, "unavailable", false]);
    expect(await ada.outcome({ type: "ping" })).toBe("pong");
    expect(await tokensRefused()).toEqual({ unavailable: 2 });
    const log = lines.join("\n");
    expect(log).toContain(cause);
    for (const part of partsOf(token)) expect(log).not.toContain(part);
    isDown = false;
    await eventually(async () => expect(await ada.outcome({ type: "refresh", token })).toBe("ack"));
  });
});
