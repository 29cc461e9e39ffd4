import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";

/** How long tokens are valid, in seconds. */
const TTL_SECONDS = 3_600;

/** All rights, in the claim that a gateway reads them from. */
const ALL = { join: ["*"], publish: ["*"], members: ["*"], send: ["*"], presence: ["*"] };

/** Serves the key set of its tokens, until it is told to answer no more. */
export class KeyServer {
  readonly #server: Server;
  readonly #privateKey: KeyObject;
  #hangs = false;

  private constructor() {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "known", alg: "ES256" }] });
    this.#privateKey = privateKey;
    this.#server = createServer((_, response) => {
      if (!this.#hangs) response.setHeader("content-type", "application/json").end(keys);
    });
  }

  static async start(): Promise<KeyServer> {
    const keys = new KeyServer();
    await once(keys.#server.listen(0, "127.0.0.1"), "listening");
    return keys;
  }

  get url(): string {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("The key server does not listen.");
    return `http://127.0.0.1:${address.port}/keys`;
  }

  /** A token of this user, signed with the key that the set holds, or naming a key that it does not hold. */
  token(userId: string, key: "known" | "unknown"): string {
    const exp = Math.floor(Date.now() / 1000) + TTL_SECONDS;
    const parts = [
      { alg: "ES256", kid: key },
      { sub: userId, exp, cm: ALL },
    ];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    const signature = sign("sha256", Buffer.from(signed), { key: this.#privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  }

  /** Accepts requests from now on and never answers them. */
  hang(): void {
    this.#hangs = true;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
