import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type JWTPayload, SignJWT } from "jose";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createTokenVerifier, signDevelopmentToken, type TokenVerifier, type TokenVerifierOptions } from "./index.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const NOW = Math.floor(Date.now() / 1000);
const GOOD = { sub: "ada", exp: NOW + 3_600 };

const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const EC = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ED = generateKeyPairSync("ed25519");

const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

function sign(payload: JWTPayload, alg: string, key: KeyObject | Uint8Array, kid?: string): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) }).sign(key);
}

const signed = (payload: JWTPayload): Promise<string> => sign(payload, "HS256", new TextEncoder().encode(SECRET));

/** Signs a token with HMAC-SHA256, whatever its header says. A payload may be given as JSON text. */
function forge(header: object, payload: object | string, secret = SECRET): string {
  const encode = (value: object | string) =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

async function refusalOf(verifier: TokenVerifier, token: unknown): Promise<unknown> {
  const error = await verifier.verify(token as string).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const { code, details, message } = Object(error) as { code: string; details?: { reason: string }; message: string };
  if (typeof token === "string" && token.length > 8) expect(message).not.toContain(token.slice(0, 8));
  return details?.reason ?? code;
}

/** Starts a key server on a loopback address. */
async function serveKeys(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
}

const published = async (key: KeyObject, kid: string, alg: string) => ({
  ...(await exportJWK(key)),
  kid,
  alg,
  use: "sig",
});

describe("a token", () => {
  it("gives the user, its rights, its data and its end", async () => {
    const verifier = createTokenVerifier({ secret: SECRET });
    const token = await signed({
      ...GOOD,
      jti: "t1",
      iat: NOW,
      cm: { join: ["inbox:{user}"] },
      info: { name: "Ada" },
    });
    const { rights, ...identity } = await verifier.verify(token);
    expect(identity).toEqual({
      userId: "ada",
      tokenId: "t1",
      issuedAtMs: NOW * 1000,
      expiresAtMs: (NOW + 3_600) * 1000,
      info: { name: "Ada" },
    });
    expect(rights.allows("join", "inbox:ada")).toBe(true);
    expect(rights.allows("join", "inbox:bob")).toBe(false);
  });

  it.each([
    ["RS256", RSA],
    ["ES256", EC],
    ["EdDSA", ED],
  ] as const)("is verified with a public key for %s", async (alg, { publicKey, privateKey }) => {
    const verifier = createTokenVerifier({ publicKey: pem(publicKey) });
    expect((await verifier.verify(await sign(GOOD, alg, privateKey))).userId).toBe("ada");
  });

  it("made for development passes, with issuer and audience", async () => {
    const verifier = createTokenVerifier({ secret: SECRET, issuer: "me", audience: "cm" });
    const token = await signDevelopmentToken(SECRET, {
      userId: "ada",
      rights: { send: ["*"] },
      issuer: "me",
      audience: "cm",
      ttlMs: 1_000,
    });
    const { rights, expiresAtMs } = await verifier.verify(token);
    expect(rights.allowsAll("send")).toBe(true);
    expect(expiresAtMs - Date.now()).toBeLessThanOrEqual(2_000);
  });

  it.each<[string, unknown, unknown]>([
    ["secret", "shorter than a verifier accepts", { userId: "ada" }],
    ["secret", undefined, { userId: "ada" }],
    ["userId", SECRET, { userId: 7 }],
    ["userId", SECRET, undefined],
    ["userID", SECRET, { userId: "ada", userID: "ada" }],
    ["rights", SECRET, { userId: "ada", rights: { join: "lobby" } }],
    ["joins", SECRET, { userId: "ada", rights: { joins: ["lobby"] } }],
    ["tokenId", SECRET, { userId: "ada", tokenId: null }],
    ["issuer", SECRET, { userId: "ada", issuer: 7 }],
    ["audience", SECRET, { userId: "ada", audience: null }],
    ["pubilsh", SECRET, { userId: "ada", rights: { join: ["lobby"], pubilsh: ["lobby"] } }],
  ])("is not made for development with a wrong %s (%#)", async (field, secret, token) => {
    await expect(signDevelopmentToken(secret as never, token as never)).rejects.toMatchObject({
      code: "options-invalid",
      details: { field },
    });
  });

  it("is not made for development with a misspelt action, and the error suggests the right one", async () => {
    const rights = { pubilsh: ["lobby"] } as object;
    await expect(signDevelopmentToken(SECRET, { userId: "ada", rights })).rejects.toMatchObject({
      message: "pubilsh is not a known field of rights. Did you mean publish?",
      details: { nearest: "publish" },
    });
  });

  it.each<[string, string, () => unknown]>([
    ["text that is no token", "malformed", () => "not a token"],
    ["nothing", "malformed", () => ""],
    ["no text", "malformed", () => 42],
    ["two parts", "malformed", () => "e30.e30"],
    ["a token over the longest", "too-long", () => "x".repeat(8_193)],
    ["no algorithm", "algorithm", () => `${forge({ alg: "none" }, GOOD).split(".").slice(0, 2).join(".")}.`],
    ["an algorithm in other letters", "algorithm", () => forge({ alg: "hs256" }, GOOD)],
    ["a longer hash", "algorithm", () => sign(GOOD, "HS512", new TextEncoder().encode(SECRET.repeat(2)))],
    ["a critical header", "algorithm", () => forge({ alg: "HS256", crit: ["b64x"], b64x: 1 }, GOOD)],
    ["another secret", "signature", () => forge({ alg: "HS256" }, GOOD, "another secret of thirty-two bytes")],
    ["an expired one", "expired", () => signed({ ...GOOD, exp: NOW - 6 })],
    ["one of the future", "not-yet-valid", () => signed({ ...GOOD, nbf: NOW + 60 })],
    ["one without an end", "claim", () => signed({ sub: "ada" })],
    ["one without a user", "claim", () => signed({ exp: GOOD.exp })],
    ["an empty user", "claim", () => signed({ ...GOOD, sub: "" })],
    ["a user of 256 bytes", "claim", () => signed({ ...GOOD, sub: "x".repeat(256) })],
    ["a number for the user", "claim", () => forge({ alg: "HS256" }, { ...GOOD, sub: 1 })],
    ["text for the issue time", "claim", () => forge({ alg: "HS256" }, { ...GOOD, iat: "now" })],
    ["text for the start", "claim", () => forge({ alg: "HS256" }, { ...GOOD, nbf: "now" })],
    ["a number for the audience", "claim", () => forge({ alg: "HS256" }, { ...GOOD, aud: 1 })],
    ["numbers for audiences", "claim", () => forge({ alg: "HS256" }, { ...GOOD, aud: [1] })],
    ["a number for the issuer", "claim", () => forge({ alg: "HS256" }, { ...GOOD, iss: 1 })],
    ["null for the rights", "claim", () => forge({ alg: "HS256" }, { ...GOOD, cm: null })],
    ["an end beyond all numbers", "claim", () => forge({ alg: "HS256" }, `{"sub":"ada","exp":1e400}`)],
    ["text for the end", "claim", () => forge({ alg: "HS256" }, { ...GOOD, exp: "soon" })],
    ["a number for the id", "claim", () => forge({ alg: "HS256" }, { ...GOOD, jti: 1 })],
    ["rights of the wrong shape", "claim", () => signed({ ...GOOD, cm: { join: "*" } })],
    ["another issuer", "claim", () => signed({ ...GOOD, iss: "other", aud: "cm" })],
    ["another audience", "claim", () => signed({ ...GOOD, iss: "me", aud: ["x"] })],
  ])("is refused for %s: %s", async (name, reason, make) => {
    const isAboutIssue = name.startsWith("another issuer") || name.startsWith("another audience");
    const more = isAboutIssue ? { issuer: "me", audience: "cm" } : {};
    expect(await refusalOf(createTokenVerifier({ secret: SECRET, ...more }), await make())).toBe(reason);
  });

  it("is accepted within the clock tolerance", async () => {
    const verifier = createTokenVerifier({ secret: SECRET, clockToleranceMs: 60_000 });
    expect((await verifier.verify(await signed({ ...GOOD, exp: NOW - 30, nbf: NOW + 30 }))).userId).toBe("ada");
  });

  it("signed with a public key in place of a secret is refused", async () => {
    const key = pem(RSA.publicKey);
    expect(await refusalOf(createTokenVerifier({ publicKey: key }), forge({ alg: "HS256" }, GOOD, key))).toBe(
      "algorithm",
    );
  });
});

describe("a key set", () => {
  const token = (kid: string) => sign(GOOD, "RS256", RSA.privateKey, kid);

  /** Serves a key set that the test can rotate, and fakes the clock until the end of the test. */
  async function rotating() {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const state = {
      kid: "old",
      fetches: 0,
      answer: async (response: ServerResponse) => {
        response.end(JSON.stringify({ keys: [await published(RSA.publicKey, state.kid, "RS256")] }));
      },
    };
    const jwksUrl = await serveKeys((_, response) => {
      state.fetches++;
      void state.answer(response);
    });
    return { state, jwksUrl, verifier: createTokenVerifier({ jwksUrl }) };
  }

  it("is fetched once for many tokens, and again for a key that was rotated in, at most once in 10 s", async () => {
    const { state, verifier } = await rotating();
    await Promise.all([await token("old"), await token("old")].map((each) => verifier.verify(each)));
    expect((await verifier.verify(await token("old"))).userId).toBe("ada");
    expect(state.fetches).toBe(1);

    state.kid = "new";
    vi.advanceTimersByTime(9_900);
    expect(await refusalOf(verifier, await token("new"))).toBe("key-unknown");
    expect((await verifier.verify(await token("old"))).userId).toBe("ada");
    expect(state.fetches).toBe(1);

    vi.advanceTimersByTime(200);
    expect((await verifier.verify(await token("new"))).userId).toBe("ada");
    expect(await refusalOf(verifier, await token("old"))).toBe("key-unknown");
    // Tokens with unknown keys must not cause the key set to be fetched each time.
    await Promise.all(Array.from({ length: 50 }, async (_, i) => refusalOf(verifier, await token(`k${i}`))));
    expect(state.fetches).toBe(2);
  });

  it("that is rotated while a fetch hangs is fetched once for all tokens that wait", async () => {
    const { state, verifier } = await rotating();
    await verifier.verify(await token("old"));
    vi.advanceTimersByTime(10_100);
    const waiting = new Promise<ServerResponse>((resolve) => {
      state.answer = async (response) => resolve(response);
    });
    const verified = Promise.all([await token("new"), await token("new")].map((each) => verifier.verify(each)));
    const response = await waiting;
    // Tokens with known keys do not wait.
    expect((await verifier.verify(await token("old"))).userId).toBe("ada");
    response.end(JSON.stringify({ keys: [await published(RSA.publicKey, "new", "RS256")] }));
    expect((await verified).map(({ userId }) => userId)).toEqual(["ada", "ada"]);
    expect(state.fetches).toBe(2);
  });

  it("that can't be fetched again is not asked for more often than one that can", async () => {
    const { state, verifier } = await rotating();
    const serve = state.answer;
    await verifier.verify(await token("old"));
    state.answer = async (response) => void response.writeHead(500).end();
    for (let second = 0; second < 35; second++) {
      vi.advanceTimersByTime(1_000);
      const reason = await refusalOf(verifier, await token("new"));
      expect(reason).toBe(second < 9 ? "key-unknown" : "unavailable");
      expect((await verifier.verify(await token("old"))).userId).toBe("ada");
    }
    // The key set was fetched at the start, and 10, 20 and 30 s later.
    expect(state.fetches).toBe(4);
    state.answer = serve;
    state.kid = "new";
    vi.advanceTimersByTime(5_100);
    expect((await verifier.verify(await token("new"))).userId).toBe("ada");
  });

  it("that was never fetched is asked for once a second", async () => {
    const { state, verifier } = await rotating();
    const serve = state.answer;
    state.answer = async (response) => void response.writeHead(500).end();
    for (let i = 0; i < 30; i++) {
      vi.advanceTimersByTime(100);
      expect(await refusalOf(verifier, await token("old"))).toBe("unavailable");
    }
    expect(state.fetches).toBe(3);
    state.answer = serve;
    vi.advanceTimersByTime(1_000);
    expect((await verifier.verify(await token("old"))).userId).toBe("ada");
  });

  it.each<[string, RequestListener]>([
    ["is gone", (_, response) => response.writeHead(404).end()],
    ["is huge", (_, response) => response.end(`{"keys":[],"x":"${"x".repeat(400_000)}"}`)],
    ["is not JSON", (_, response) => response.end("<html>")],
    ["holds no keys", (_, response) => response.end('{"keys":1}')],
    ["is slow", (_, response) => response.write("{")],
  ])("that %s makes tokens neither good nor bad", async (_, listener) => {
    const verifier = createTokenVerifier({ jwksUrl: await serveKeys(listener), jwksTimeoutMs: 200 });
    expect(await refusalOf(verifier, await sign(GOOD, "RS256", RSA.privateKey, "k"))).toBe("unavailable");
  });

  it("does not have its public keys used as secrets", async () => {
    const url = await serveKeys(async (_, response) => {
      response.end(JSON.stringify({ keys: [await published(RSA.publicKey, "k", "RS256")] }));
    });
    const token = forge({ alg: "HS256", kid: "k" }, GOOD, pem(RSA.publicKey));
    expect(await refusalOf(createTokenVerifier({ jwksUrl: url }), token)).toBe("algorithm");
  });
});

describe("a request's token", () => {
  const request = { headers: {}, query: "", offeredSubprotocols: [] };
  const all = ["authorization", "subprotocol", "query", "cookie"] as const;
  const verifier = createTokenVerifier({ secret: SECRET, sources: all });

  it.each([
    ["a header", { headers: { authorization: "Bearer t" } }],
    ["a header in other letters", { headers: { authorization: "bEARER  t " } }],
    ["a subprotocol", { offeredSubprotocols: ["cm.v1", "cm.token.t"] }],
    ["the URL", { query: "a=b&token=t" }],
    ["a cookie", { headers: { cookie: "x=y; token=t" } }],
    ["two places that agree", { query: "token=t", headers: { authorization: "Bearer t" } }],
  ])("is found in %s", (_, part) => {
    expect(verifier.read({ ...request, ...part })).toBe("t");
  });

  it.each([
    ["none", {}],
    ["another scheme", { headers: { authorization: "Basic t" } }],
    ["an empty one", { query: "token=" }],
    ["two in one header", { headers: { authorization: "Bearer t, Bearer u" } }],
    ["two in the URL", { query: "token=t&token=u" }],
    ["two in two places", { query: "token=t", headers: { cookie: "token=u" } }],
  ])("is refused for %s", (_, part) => {
    expect(() => verifier.read({ ...request, ...part })).toThrow(expect.objectContaining({ code: "unauthorized" }));
  });

  it.each([undefined, {}, { headers: {} }, { ...request, headers: undefined }, { ...request, query: undefined }])(
    "can't be read from %o, which is not a request",
    (given) => {
      // As a program without types may pass it, such as the request of an HTTP server.
      expect(() => verifier.read(given as never)).toThrow(
        expect.objectContaining({ code: "options-invalid", details: { field: "request" } }),
      );
    },
  );

  it("is not looked for if the sources do not say so", () => {
    const strict = createTokenVerifier({ secret: SECRET });
    expect(() => strict.read({ ...request, query: "token=t" })).toThrow("no token");
  });
});

describe("options", () => {
  it.each<[string, unknown, string]>([
    ["none", undefined, "options"],
    ["no key", {}, "secret"],
    ["two keys", { secret: SECRET, jwksUrl: "https://example.com" }, "jwksUrl"],
    ["an unknown one", { secrets: SECRET }, "secrets"],
    ["a short secret", { secret: "short" }, "secret"],
    ["no PEM", { publicKey: "x" }, "publicKey"],
    ["a private key", { publicKey: RSA.privateKey.export({ type: "pkcs8", format: "pem" }) }, "publicKey"],
    ["a weak key", { publicKey: pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey) }, "publicKey"],
    [
      "a curve that is not used",
      { publicKey: pem(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey) },
      "publicKey",
    ],
    ["keys over plain HTTP", { jwksUrl: "http://example.com/jwks" }, "jwksUrl"],
    ["a password in the URL of keys", { jwksUrl: "https://user:short@example.com/jwks" }, "jwksUrl"],
    ["a user in the URL of keys", { jwksUrl: "https://short@example.com/jwks" }, "jwksUrl"],
    ["an unknown source", { secret: SECRET, sources: ["body"] }, "sources"],
    ["a negative tolerance", { secret: SECRET, clockToleranceMs: -1 }, "clockToleranceMs"],
  ])("are refused for %s", (_, options, field) => {
    const secretShown = /short|PRIVATE/;
    expect(() => createTokenVerifier(options as TokenVerifierOptions)).toThrow(
      expect.objectContaining({
        code: "options-invalid",
        details: expect.objectContaining({ field }),
        message: expect.not.stringMatching(secretShown),
      }),
    );
  });
});
