import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A signature algorithm that a gateway with a key set accepts. */
export type Algorithm = (typeof ALGORITHMS)[number];
export const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Encodes a header or the claims of a token as base64url. */
export function tokenPart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Signs with HS256, the algorithm of shared secrets. */
export function signHs256(secret: string, header: object, claims: unknown): string {
  const signed = `${tokenPart({ ...header, alg: "HS256" })}.${tokenPart(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const RIGHTS = { join: ["*"], publish: ["*"], members: ["*"], send: ["*"], presence: ["*"] };

/** The claims of a valid token of this user, with all rights. */
export function claimsOf(userId: string) {
  return { sub: userId, cm: RIGHTS, iat: Math.floor(Date.now() / 1000), exp: 2 ** 33 };
}

/**
 * An issuer of tokens with a key of each asymmetric algorithm. It serves its key set on the loopback address until
 * {@link TokenIssuer.hang} is called.
 */
export class TokenIssuer {
  readonly #keys: Readonly<Record<Algorithm, KeyPair>> = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: generateKeyPairSync("ed25519"),
  };
  readonly #server: Server;
  #hangs = false;

  private constructor() {
    const keys = ALGORITHMS.map((alg) => ({
      ...this.#keys[alg].publicKey.export({ format: "jwk" }),
      ...{ alg, kid: alg, use: "sig" },
    }));
    this.#server = createServer((_, reply) => {
      if (!this.#hangs) reply.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys }));
    });
  }

  static async start(): Promise<TokenIssuer> {
    const issuer = new TokenIssuer();
    await new Promise<void>((resolve) => issuer.#server.listen(0, "127.0.0.1", resolve));
    return issuer;
  }

  get jwksUrl(): string {
    const { port } = this.#server.address() as AddressInfo; // An object, because the server listens on TCP.
    return `http://127.0.0.1:${port}/keys`;
  }

  sign(algorithm: Algorithm, claims: unknown, kid: string = algorithm): string {
    const signed = `${tokenPart({ alg: algorithm, kid })}.${tokenPart(claims)}`;
    const { privateKey } = this.#keys[algorithm];
    const digest = algorithm === "EdDSA" ? null : "sha256";
    // JWS writes an ECDSA signature as two numbers, RFC 7518.
    const key = { key: privateKey, dsaEncoding: "ieee-p1363" } as const;
    return `${signed}.${sign(digest, Buffer.from(signed), key).toString("base64url")}`;
  }

  /** The text of a public key, which a forger may use as if it were a shared secret. */
  publicText(algorithm: Algorithm): string {
    return this.#keys[algorithm].publicKey.export({ format: "pem", type: "spki" }).toString();
  }

  /** Accepts requests for the key set from now on, and never answers them. */
  hang(): void {
    this.#hangs = true;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
