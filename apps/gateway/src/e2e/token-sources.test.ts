import { once } from "node:events";
import { connect as dial } from "node:net";
import { SUBPROTOCOL } from "@cm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { createGateway, type GatewayOptions } from "../index.js";
import { SECRET, serve, serveCounting, tokenFor } from "./token-clients.fixture.js";

const TRANSPORTS = ["uws", "ws"] as const;

/** Returns the status and, for a refusal, the code of the response to an upgrade with these header lines. */
async function answerTo(port: number, headerLines: readonly string[]): Promise<string> {
  const socket = dial({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  const lines = [
    "GET /ws HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    ...headerLines,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    const [head = "", body] = text.split("\r\n\r\n");
    const [, status] = head.split(" ");
    if (status === "101") return "101";
    if (body?.includes("}")) return `${status} ${JSON.parse(body).code}`;
  }
  return text;
}

describe.each(TRANSPORTS)("a gateway on %s", (transport) => {
  const sources = ["authorization", "subprotocol", "query", "cookie"] as const;
  const gateway = () => serveCounting({ transport, tokens: { secret: SECRET, sources } });

  it("refuses a request with two Authorization lines, unless both are the same", async () => {
    const { port, tokensRefused } = await gateway();
    const [ada, bob] = [await tokenFor("ada"), await tokenFor("bob")];
    expect(await answerTo(port, [`Authorization: Bearer ${ada}`])).toBe("101");
    expect(await answerTo(port, [`Authorization: Bearer ${ada}`, `Authorization: Bearer ${ada}`])).toBe("101");
    for (const [one, two] of [
      [ada, bob],
      [bob, ada],
      [ada, "x"],
      ["x", ada],
    ]) {
      const lines = [`Authorization: Bearer ${one}`, `authorization: Bearer ${two}`];
      expect(await answerTo(port, lines)).toBe("401 unauthorized");
    }
    expect(await tokensRefused()).toEqual({ other: 4 });
  });

  it("reads two Cookie lines as one list, and refuses two tokens in it", async () => {
    const { port, tokensRefused } = await gateway();
    const [ada, bob] = [await tokenFor("ada"), await tokenFor("bob")];
    expect(await answerTo(port, ["Cookie: a=b; c=d", `Cookie: token=${ada}`])).toBe("101");
    expect(await answerTo(port, [`Cookie: token=${ada}`, "Cookie: a=b"])).toBe("101");
    expect(await answerTo(port, [`Cookie: token=${ada}`, `Cookie: token=${ada}`])).toBe("101");
    expect(await answerTo(port, [`Cookie: token=${ada}`, `Cookie: token=${bob}`])).toBe("401 unauthorized");
    expect(await answerTo(port, [`Cookie: token=${bob}`, "Cookie: token="])).toBe("401 unauthorized");
    expect(await tokensRefused()).toEqual({ other: 2 });
  });

  it("refuses two tokens in two places", async () => {
    const { port } = await gateway();
    const [ada, bob] = [await tokenFor("ada"), await tokenFor("bob")];
    const lines = [`Authorization: Bearer ${ada}`, `Cookie: token=${bob}`];
    expect(await answerTo(port, lines)).toBe("401 unauthorized");
  });
});

describe("a token in a cookie", () => {
  it("authenticates a page of an allowed origin, and no other page", async () => {
    const { port } = await serve({
      listenHost: "0.0.0.0",
      tokens: { secret: SECRET, sources: ["cookie"] },
      allowedOrigins: ["https://shop.example"],
    });
    const token = await tokenFor("ada");
    const Cookie = `theme=dark; token=${token}`;
    const open = (origin: string) =>
      new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL, { origin, headers: { Cookie } });
    const page = open("https://shop.example");
    onTestFinished(() => page.terminate());
    await once(page, "open");
    page.send('{"type":"hello","version":1}');
    const [welcome] = await once(page, "message");
    expect(JSON.parse(String(welcome))).toMatchObject({ type: "welcome", user: "ada" });
    const other = open("https://evil.example");
    other.on("error", () => undefined);
    const [, response] = await once(other, "unexpected-response");
    expect(response.statusCode).toBe(403);
    const bare = ["Origin: https://shop.example", "Cookie: theme=dark"];
    expect(await answerTo(port, bare)).toBe("401 unauthorized");
  });

  it("requires a list of allowed origins, unless only this machine can connect", () => {
    const tokens = { secret: SECRET, sources: ["authorization", "cookie"] } satisfies GatewayOptions["tokens"];
    const create = (options: GatewayOptions) => () => createGateway({ port: 0, ...options });
    expect(create({ tokens, listenHost: "0.0.0.0" })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: { field: "allowedOrigins" } }),
    );
    expect(create({ tokens, listenHost: "0.0.0.0", allowedOrigins: ["https://shop.example"] })).not.toThrow();
    expect(create({ tokens: { secret: SECRET }, listenHost: "0.0.0.0" })).not.toThrow();
    expect(create({ tokens })).not.toThrow();
  });
});
