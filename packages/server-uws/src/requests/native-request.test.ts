import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WAIT } from "@cm/contract-tests/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startServer } from "../server.fixture.js";

const UPGRADE =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: test.v1\r\n";

/** Sends `request` in `pieces` pieces, and returns the response. */
async function answerTo(port: number, request: string, pieces = 1): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.setNoDelay(true);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  // Ignore errors: the connection of a refused client may be reset while the client is still writing.
  socket.on("error", () => undefined);
  const size = Math.ceil(request.length / pieces);
  for (let start = 0; start < request.length; start += size) {
    socket.write(request.slice(start, start + size), "latin1");
    if (pieces > 1) await sleep(10);
  }
  await vi.waitFor(() => expect(text).toContain("\r\n\r\n"), WAIT);
  return text;
}

/** Returns a request whose head has exactly this many bytes. */
function requestOf(headBytes: number, path: string, headers: string): string {
  const head = `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}Cookie: `;
  return `${head}${"x".repeat(headBytes - head.length - 4)}\r\n\r\n`;
}

describe("the head of a request", () => {
  const MAX = 6_000;
  const kinds: [string, string, string, number][] = [
    ["a route", "/x?a=b", "", 200],
    ["an upgrade", "/ws?user=ann", UPGRADE, 101],
  ];

  it.each(kinds.flatMap((kind) => [1, 2, 5].map((pieces) => [...kind, pieces] as const)))(
    "of %s passes up to maxHeadBytes and gets 431 beyond (%#)",
    async (_, path, headers, status, pieces) => {
      const { port } = await startServer({ maxHeadBytes: MAX, routes: { "/x": () => ({ status: 200, body: "x" }) } });
      for (const bytes of [1_000, 4_097, MAX]) {
        expect(await answerTo(port, requestOf(bytes, path, headers), pieces)).toMatch(`HTTP/1.1 ${status} `);
      }
      for (const bytes of [MAX + 1, MAX + 500, MAX + 1_025, 20_000, 100_000]) {
        expect(await answerTo(port, requestOf(bytes, path, headers), pieces)).toMatch("HTTP/1.1 431 ");
      }
    },
  );

  it("that is too large is counted if it asks for an upgrade", async () => {
    const { server, port } = await startServer({ maxHeadBytes: MAX });
    const answer = await answerTo(port, requestOf(MAX + 1, "/ws", UPGRADE));
    expect(answer).toContain('{"code":"payload-too-large"');
    expect(server.stats().refused).toEqual({ "payload-too-large": 1 });
  });

  it("with two lengths that differ is refused", async () => {
    const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
    const withLengths = (...lengths: number[]): string =>
      `GET /x HTTP/1.1\r\nHost: x\r\n${lengths.map((length) => `Content-Length: ${length}\r\n`).join("")}\r\n`;
    expect(await answerTo(port, withLengths(0, 5))).toMatch("HTTP/1.1 400 ");
    expect(await answerTo(port, withLengths(0, 0))).toMatch("HTTP/1.1 200 ");
  });

  it("of 98 headers is taken", async () => {
    const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
    const headers = Array.from({ length: 97 }, (_, index) => `X-${index}: y\r\n`).join("");
    expect(await answerTo(port, `GET /x HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)).toMatch("HTTP/1.1 200 ");
  });

  it("that the native layer can't parse is closed without an answer after about 10 s, and is delivered to no one", async () => {
    const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
    const unreadable = [
      // This request has one header more than the largest accepted request above.
      `Host: x\r\n${Array.from({ length: 98 }, (_, index) => `X-${index}: y\r\n`).join("")}`,
      // This request has no headers at all, not even Host.
      "",
      "Host: x\r\nFolded: b\r\n c\r\n",
      "Host: x\r\nSpaced : b\r\n",
    ];
    const answers = unreadable.map(async (headers) => {
      const socket = connect({ port, host: "127.0.0.1" });
      onTestFinished(() => void socket.destroy());
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
      });
      socket.write(`GET /x HTTP/1.1\r\n${headers}\r\n`);
      await once(socket, "close", { signal: AbortSignal.timeout(20_000) });
      return text;
    });
    expect(await Promise.all(answers)).toEqual(["", "", "", ""]);
  });

  it.each([
    ["without Host", "GET /x HTTP/1.1\r\nA: b\r\n\r\n", 400],
    ["of HTTP/1.0", "GET /x HTTP/1.0\r\nHost: x\r\n\r\n", 505],
    ["with a whole URL", "GET http://x/x HTTP/1.1\r\nHost: x\r\n\r\n", 505],
    [
      "with a length and chunks",
      "GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
  ])("%s is refused by the native layer", async (_, request, status) => {
    const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
    expect(await answerTo(port, request)).toMatch(`HTTP/1.1 ${status} `);
  });
});

describe("a PROXY header", () => {
  const V2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11";
  const ADDRESSES = "\xcb\x00\x71\x07\xc0\x00\x02\x01\x30\x39\x01\xbb";
  const REQUEST = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

  it("must arrive together with the beginning of the request, and be small, for the native layer to read it", async () => {
    const { port } = await startServer({
      trustedProxies: ["127.0.0.1"],
      routes: { "/x": ({ remoteAddress }) => ({ status: 200, body: remoteAddress }) },
    });
    const header = `${V2}\x00\x0c${ADDRESSES}`;
    expect(await answerTo(port, header + REQUEST)).toContain("203.0.113.7");
    expect(await answerTo(port, header)).toMatch("HTTP/1.1 505 ");
    const withExtension = (bytes: number): string =>
      `${V2}\x00${String.fromCharCode(12 + bytes)}${ADDRESSES}\x04\x00${String.fromCharCode(bytes - 3).padEnd(bytes - 2, "\0")}`;
    expect(await answerTo(port, withExtension(24) + REQUEST)).toContain("203.0.113.7");
    const socket = connect({ port, host: "127.0.0.1" });
    onTestFinished(() => void socket.destroy());
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    // The native layer waits for more bytes of this request. A request that is sent later, on another connection,
    // is answered.
    await new Promise((resolve) => socket.write(withExtension(25) + REQUEST, "latin1", resolve));
    expect(await answerTo(port, header + REQUEST)).toContain("203.0.113.7");
    expect(received).toBe("");
  });
});

describe("an answer", () => {
  it("names no server, and is taken for no other type than it says", async () => {
    const { port } = await startServer({
      routes: {
        "/json": () => ({ status: 200, headers: { "content-type": "application/json" }, body: "{}" }),
        "/own": () => ({ status: 200, headers: { "X-Content-Type-Options": "nosniff" } }),
      },
    });
    for (const path of ["/json", "/own", "/nothing", "/ws"]) {
      const answer = await answerTo(port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(answer).not.toMatch(/uwebsockets/i);
      expect(answer.match(/^x-content-type-options: nosniff\r$/gim)).toHaveLength(1);
    }
    expect(await answerTo(port, `GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`)).not.toMatch(/uwebsockets/i);
  });
});
