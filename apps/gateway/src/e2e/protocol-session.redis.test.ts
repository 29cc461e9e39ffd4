import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type RightsClaim, signDevelopmentToken } from "@cm/auth";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { type DocumentedMessage, type ProtocolDocument, readProtocolDocument } from "@cm/gateway-kit/protocol-document";
import { CLIENT_ERROR_CODES, CLOSE_CODES, encodeEnvelope, encodeUtf8, SUBPROTOCOL } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix } from "@cm/test-kit";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import WebSocket from "ws";

type Frame = Readonly<Record<string, unknown>>;

/** All frames that the clients of this file have received. */
const captured: Frame[] = [];

/** A client that records every frame it receives. */
class Recorder {
  readonly frames: Frame[] = [];
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = once(socket, "close").then(([code]) => Number(code));
    socket.on("message", (data, isBinary) => {
      expect(isBinary).toBe(false);
      const frame: Frame = JSON.parse(String(data));
      this.frames.push(frame);
      captured.push(frame);
    });
  }

  /** Connects as a user in open mode. */
  static open(wsUrl: string, user: string): Promise<Recorder> {
    return Recorder.#from(new WebSocket(`${wsUrl}?user=${encodeURIComponent(user)}`, SUBPROTOCOL));
  }

  static openWithToken(wsUrl: string, token: string): Promise<Recorder> {
    return Recorder.#from(new WebSocket(wsUrl, [SUBPROTOCOL, `cm.token.${token}`]));
  }

  static async #from(socket: WebSocket): Promise<Recorder> {
    const recorder = new Recorder(socket);
    await once(socket, "open");
    expect(socket.protocol).toBe(SUBPROTOCOL);
    return recorder;
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** Waits for a frame with these fields. */
  until(fields: Frame): Promise<Frame> {
    return eventually(() => {
      const found = this.frames.find((frame) => Object.entries(fields).every(([key, value]) => frame[key] === value));
      if (found === undefined) throw new Error(`No ${JSON.stringify(fields)} among ${JSON.stringify(this.frames)}`);
      return found;
    });
  }

  /** Sends a request and waits for the frame with its `ref`. */
  async ask(request: Frame & { readonly ref: string | number }): Promise<Frame> {
    this.send(request);
    return this.until({ ref: request.ref });
  }

  close(): void {
    this.#socket.close();
  }
}

/** Returns the HTTP response to an upgrade that is refused. */
async function refusal(
  url: string,
  protocols: string[],
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; body: unknown }> {
  const socket = new WebSocket(url, protocols, { headers });
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage]; // Documented by `ws`.
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, body: JSON.parse(text) };
}

function matches(messages: readonly DocumentedMessage[], frame: Frame): DocumentedMessage[] {
  return messages.filter(({ validate }) => validate(frame));
}

describe("the frames of running gateways", () => {
  const redisUrl = inject("redisUrl");
  const prefix = freshPrefix();
  const origin = "https://pages.example";
  let document: ProtocolDocument;
  let first: GatewayProcess;
  let second: GatewayProcess;
  let ada: Recorder;
  let bo: Recorder;

  beforeAll(async () => {
    const env = {
      REDIS_URL: redisUrl,
      REDIS_PREFIX: prefix,
      MAX_ROOMS_PER_CONNECTION: "2",
      MAX_FRAME_BYTES: "1024",
      ALLOWED_ORIGINS: origin,
    };
    document = await readProtocolDocument();
    first = await startGatewayProcess({ env: { ...env, SERVER_ID: "doc-a", SHOW_SERVER_IDS: "true" } });
    second = await startGatewayProcess({ env: { ...env, SERVER_ID: "doc-b" } });
    ada = await Recorder.open(first.wsUrl, "ada");
    bo = await Recorder.open(second.wsUrl, "bo");
  });

  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop()]);
  });

  it("begin with a welcome, and refuse everything before it", async () => {
    expect(await ada.ask({ type: "join", room: "lobby", ref: "early" })).toMatchObject({ code: "hello-required" });
    expect(await ada.ask({ type: "hello", version: 1, ref: 0 })).toMatchObject({ type: "welcome", server: "doc-a" });
    expect(await ada.ask({ type: "hello", version: 1, ref: 1 })).toMatchObject({ code: "hello-repeated" });
    bo.send({ type: "hello", version: 1 });
    expect(await bo.until({ type: "welcome" })).not.toHaveProperty("ref");
  });

  it("answer every request once, under its ref", async () => {
    expect(await ada.ask({ type: "join", room: "lobby", ref: "j" })).toEqual({ type: "ack", ref: "j" });
    expect(await bo.ask({ type: "join", room: "lobby", ref: 2 })).toEqual({ type: "ack", ref: 2 });
    expect(await ada.ask({ type: "join", room: "lobby", ref: "j2" })).toEqual({ type: "ack", ref: "j2" });
    expect(await ada.ask({ type: "publish", room: "lobby", data: { n: 1 }, ref: "p" })).toEqual({
      type: "ack",
      ref: "p",
    });
    const from = { connection: ada.frames.find(({ type }) => type === "welcome")?.connection, user: "ada" };
    expect(await bo.until({ type: "message" })).toEqual({ type: "message", room: "lobby", from, data: { n: 1 } });
    expect(await ada.until({ type: "message" })).toEqual({ type: "message", room: "lobby", from, data: { n: 1 } });
    expect(await ada.ask({ type: "ping", ref: "x" })).toEqual({ type: "pong", ref: "x" });
    ada.send({ type: "ping" });
    await eventually(() => expect(ada.frames).toContainEqual({ type: "pong" }));
    expect(await ada.ask({ type: "leave", room: "never joined", ref: "l" })).toEqual({ type: "ack", ref: "l" });
    const refs = ada.frames.flatMap(({ ref }) => (ref === undefined ? [] : [ref]));
    expect(new Set(refs).size).toBe(refs.length);
  });

  it("report the outcome of a direct message", async () => {
    const own = String(ada.frames.find(({ type }) => type === "welcome")?.connection);
    const other = String(bo.frames.find(({ type }) => type === "welcome")?.connection);
    expect(await ada.ask({ type: "send", connection: own, data: 1, ref: "d1" })).toMatchObject({
      outcome: "delivered",
    });
    expect(await ada.ask({ type: "send", connection: other, data: 2, ref: "d2" })).toMatchObject({ outcome: "sent" });
    expect(await ada.ask({ type: "send", user: "bo", data: 3, ref: "d3" })).toMatchObject({ outcome: "sent" });
    expect(await ada.ask({ type: "send", user: "nobody", data: 4, ref: "d4" })).toMatchObject({ code: "not-found" });
    const gone = "doc-z.aaaa00";
    expect(await ada.ask({ type: "send", connection: gone, data: 5, ref: "d5" })).toMatchObject({ code: "not-found" });
    // The server in this id exists, but the connection does not.
    const left = `${other.slice(0, -1)}${other.endsWith("0") ? "1" : "0"}`;
    expect(await ada.ask({ type: "send", connection: left, data: 6, ref: "d6" })).toMatchObject({ outcome: "sent" });
    expect(await ada.ask({ type: "send", connection: left, data: 6, confirm: true, ref: "d7" })).toMatchObject({
      code: "not-found",
    });
    expect(await ada.ask({ type: "send", connection: other, data: 7, confirm: true, ref: "d8" })).toMatchObject({
      outcome: "delivered",
    });
    expect(await ada.ask({ type: "send", user: "bo", data: 8, confirm: true, ref: "d9" })).toMatchObject({
      outcome: "delivered",
    });
    expect(await bo.until({ type: "direct", data: 2 })).toMatchObject({ from: { connection: own, user: "ada" } });
    await bo.until({ type: "direct", data: 3 });
  });

  it("list the members in pages", async () => {
    const page = await ada.ask({ type: "members", room: "lobby", limit: 1, ref: "m1" });
    expect(page).toMatchObject({ type: "members", room: "lobby", total: 2 });
    expect(page.cursor).toBeTypeOf("string");
    const members = [page.members];
    for (let last = page; last.cursor !== undefined; ) {
      last = await ada.ask({
        type: "members",
        room: "lobby",
        limit: 1,
        cursor: last.cursor,
        ref: `m${members.length + 1}`,
      });
      members.push(last.members);
    }
    const listed = members.flat().map((member) => [Object(member).user, Object(member).server]);
    expect(listed.toSorted()).toEqual([
      ["ada", "doc-a"],
      ["bo", "doc-b"],
    ]);
    const refused = await ada.ask({ type: "members", room: "lobby", cursor: "made up", ref: "m-bad" });
    expect(refused).toMatchObject({ type: "error", code: "options-invalid" });
    const elsewhere = await ada.ask({ type: "members", room: "hall", cursor: page.cursor, ref: "m-else" });
    expect(elsewhere).toMatchObject({ type: "error", code: "options-invalid" });
  });

  it("list a connection from the ack of its join on, and not after that of its leave", async () => {
    const users = async (ref: string) => {
      const { members } = await ada.ask({ type: "members", room: "here", ref });
      return [members].flat().map((member) => Object(member).user);
    };
    await ada.ask({ type: "join", room: "here", since: { epoch: 1, offset: 1 }, ref: "here-1" });
    expect(await users("here-2")).toEqual(["ada"]);
    // If the connection is already in the room, the position is ignored.
    expect(await ada.ask({ type: "join", room: "here", since: { epoch: 1, offset: 1 }, ref: "here-3" })).toEqual({
      type: "ack",
      ref: "here-3",
    });
    await ada.ask({ type: "leave", room: "here", ref: "here-4" });
    expect(await users("here-5")).toEqual([]);
  });

  it("report the limits of a recovery", () => {
    const welcome = ada.frames.find(({ type }) => type === "welcome");
    expect(welcome?.limits).toMatchObject({ maxRecoveredMessages: 1_000, maxRecoveredBytes: 524_288 });
  });

  it("limit the forwarded data, not only the received data", async () => {
    // 100 numbers of 4 bytes each, which are serialized with 21 bytes each.
    const data = `[${Array.from({ length: 100 }, () => "1e20").join(",")}]`;
    ada.send(`{"type":"publish","room":"lobby","data":${data},"ref":"wide-1"}`);
    expect(await ada.until({ ref: "wide-1" })).toMatchObject({ code: "payload-too-large", retryable: false });
    ada.send(`{"type":"send","user":"bo","data":${data},"ref":"wide-2"}`);
    expect(await ada.until({ ref: "wide-2" })).toMatchObject({ code: "payload-too-large" });
  });

  it("do not close the connection because of misspelt names, however many", async () => {
    const typist = await Recorder.open(first.wsUrl, "typist");
    await typist.ask({ type: "hello", version: 1, ref: "hello" });
    for (let i = 0; i < 60; i++) typist.send({ type: "join", room: "x".repeat(300), ref: i });
    expect(await typist.until({ ref: 59 })).toMatchObject({ code: "name-too-long" });
    expect(await typist.ask({ type: "ping", ref: "still there" })).toMatchObject({ type: "pong" });
  });

  it("name the fault of a request", async () => {
    const wrong: [Frame, string][] = [
      [{ type: "dance" }, "operation-unknown"],
      [{ type: "publish", room: "lobby" }, "frame-invalid"],
      [{ type: "publish", room: "elsewhere", data: 1 }, "not-a-member"],
      [{ type: "join", room: "" }, "name-invalid"],
      [{ type: "join", room: "é".repeat(128) }, "name-too-long"],
      [{ type: "send", connection: "no id", data: 1 }, "id-invalid"],
    ];
    for (const [index, [request, code]] of wrong.entries()) {
      expect(await ada.ask({ ...request, ref: `w${index}` })).toMatchObject({ type: "error", code });
    }
    await ada.ask({ type: "join", room: "another", ref: "r2" });
    expect(await ada.ask({ type: "join", room: "third", ref: "r3" })).toMatchObject({ code: "rooms-limit" });
    ada.send("{");
    await ada.until({ code: "frame-not-json" });
    ada.send(Buffer.from("{}"));
    await ada.until({ code: "frame-not-text" });
  });

  it("report a gap, and carry messages of the application", async () => {
    const store = createRedisStore({ url: redisUrl, prefix, onError: () => undefined });
    await store.start();
    try {
      for (const sequence of [1, 4]) {
        const payload = encodeUtf8(JSON.stringify({ type: "message", room: "lobby", data: sequence }));
        const facts = { kind: "room", origin: "doc-c", epoch: 1, target: "lobby", except: [] } as const;
        await store.bus.publish({ kind: "room", name: "lobby" }, encodeEnvelope({ ...facts, sequence, payload }));
      }
      expect(await bo.until({ type: "gap" })).toEqual({ type: "gap", room: "lobby", missed: 2 });
      await bo.until({ type: "message", data: 4 });
      const relevant = bo.frames.filter(
        ({ type, from }) => type === "gap" || (type === "message" && from === undefined),
      );
      expect(relevant.map(({ type, data }) => data ?? type)).toEqual([1, "gap", 4]);
    } finally {
      await store.close();
    }
  });

  it("stop with the documented close codes", async () => {
    const other = await Recorder.open(first.wsUrl, "other version");
    expect(await other.ask({ type: "hello", version: 2, ref: 0 })).toMatchObject({ code: "version-unsupported" });
    expect(await other.closed).toBe(CLOSE_CODES["version-unsupported"]);
    const large = await Recorder.open(first.wsUrl, "large");
    large.send({ type: "hello", version: 1, padding: "x".repeat(1024) });
    expect(await large.until({ type: "error" })).toMatchObject({ code: "frame-too-large" });
    expect(await large.closed).toBe(CLOSE_CODES["protocol-error"]);
    const garbled = await Recorder.open(first.wsUrl, "garbled");
    for (let i = 0; i < 60; i++) garbled.send("?");
    expect(await garbled.closed).toBe(CLOSE_CODES["protocol-error"]);
    expect(garbled.frames.length).toBeGreaterThanOrEqual(20);
  });

  it("report a token that expires, and of rooms that another one does not allow", async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const gateway = await startGatewayProcess({ env: { TOKEN_SECRET: secret, TOKEN_WARNING_SECONDS: "3600" } });
    try {
      const sign = (rights: RightsClaim) => signDevelopmentToken(secret, { userId: "ada", rights, ttlMs: 60_000 });
      const client = await Recorder.openWithToken(gateway.wsUrl, await sign({ join: ["lobby"] }));
      expect(await client.ask({ type: "hello", version: 1, ref: 0 })).toMatchObject({ type: "welcome", user: "ada" });
      expect(await client.until({ type: "token-expiring" })).toMatchObject({ expiresInMs: expect.any(Number) });
      expect(await client.ask({ type: "join", room: "lobby", ref: 1 })).toMatchObject({ type: "ack" });
      expect(await client.ask({ type: "join", room: "other", ref: 2 })).toMatchObject({ code: "forbidden" });
      expect(await client.ask({ type: "refresh", token: await sign({}), ref: 3 })).toMatchObject({ type: "ack" });
      expect(await client.until({ type: "removed" })).toEqual({ type: "removed", room: "lobby", code: "forbidden" });
      expect((await fetch(`${gateway.url}/`)).status).toBe(404);
      client.close();
    } finally {
      await gateway.stop();
    }
  });

  it("are of every documented type, fit their schema, and have no field that is not documented", () => {
    const seen = new Set<string>();
    for (const frame of captured) {
      const [message, ...more] = matches(document.fromServer, frame);
      expect(message, JSON.stringify(frame)).toBeDefined();
      expect(more).toEqual([]);
      seen.add(String(message?.key));
      for (const field of Object.keys(frame))
        expect(message?.payload.properties, String(frame.type)).toHaveProperty(field);
      if (frame.type === "error") {
        expect(CLIENT_ERROR_CODES).toHaveProperty(String(frame.code));
        expect(frame.retryable).toBe(document.errorCodes[String(frame.code)]?.retryable);
      }
    }
    expect([...seen].toSorted()).toEqual(document.fromServer.map(({ key }) => key).toSorted());
  });

  it("are not there if the upgrade is refused: an HTTP answer says why", async () => {
    const user = `${first.wsUrl}?user=`;
    const refused = {
      "version-unsupported": await refusal(`${user}ada`, ["other"]),
      unauthorized: await refusal(first.wsUrl, [SUBPROTOCOL]),
      "name-invalid": await refusal(user, [SUBPROTOCOL]),
      "name-too-long": await refusal(`${user}${"x".repeat(256)}`, [SUBPROTOCOL]),
      "origin-refused": await refusal(`${user}ada`, [SUBPROTOCOL], { origin: "https://elsewhere.example" }),
    };
    for (const [code, { status, body }] of Object.entries(refused)) {
      expect(document.validateRefusal(body), code).toBe(true);
      expect({ status, body }).toMatchObject({ status: document.refusals[code], body: { code } });
    }
  });

  it("close with going-away when the server closes", async () => {
    await first.stop();
    expect(await ada.closed).toBe(CLOSE_CODES["going-away"]);
    bo.close();
  });
});
