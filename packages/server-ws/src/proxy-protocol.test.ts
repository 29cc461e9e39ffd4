import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { serverStarter } from "@cm/contract-tests/transport";
import type { TransportOptions, TrustedProxies } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ProxyHeaders, parseProxyHeader } from "./proxy-protocol.js";
import { createWsServer } from "./server.js";

const HEADER = Buffer.from("0d0a0d0a000d0a515549540a2111000ccb007107c0000201303901bb", "hex");
const REQUEST = "GET /address HTTP/1.1\r\nHost: x\r\n\r\n";

async function startServer() {
  const routes: TransportOptions<string>["routes"] = {
    "/address": ({ remoteAddress }) => ({ status: 200, body: `address ${remoteAddress}` }),
  };
  return serverStarter(createWsServer)({ trustedProxies: ["127.0.0.1"], routes });
}

/** Connects to the port and records the received text. */
async function dial(port: number) {
  const socket = connect({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.setNoDelay(true);
  const received = { text: "", ended: false };
  socket.on("data", (chunk) => {
    received.text += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    received.ended = true;
  });
  return { socket, received };
}

it("a connection whose PROXY header is complete is the server's own, and no longer cut with those that wait", async () => {
  const headers = new ProxyHeaders({ trusts: () => true } as unknown as TrustedProxies, 30_000);
  const server = createServer();
  server.removeAllListeners("connection");
  const served: Socket[] = [];
  server.on("connection", (socket) => served.push(socket));
  headers.readFor(server);
  onTestFinished(() => void server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const [complete, waiting] = [await dial(port), await dial(port)];
  waiting.socket.write(HEADER.subarray(0, 20));
  complete.socket.write(HEADER);
  await vi.waitFor(() => expect(served).toHaveLength(1));
  onTestFinished(() => void served[0]?.destroy());
  headers.end();
  await vi.waitFor(() => expect(waiting.received.ended).toBe(true));
  expect(served.map(({ destroyed }) => destroyed)).toEqual([false]);
});

describe("a PROXY header", () => {
  it.each([
    ["alone", [HEADER, Buffer.from(REQUEST)]],
    [
      "byte by byte, with the request",
      Array.from(Buffer.concat([HEADER, Buffer.from(REQUEST)]), (byte) => Buffer.of(byte)),
    ],
  ])("that arrives %s is read, and applies to all requests of the connection", async (_, pieces) => {
    const { port } = await startServer();
    const { socket, received } = await dial(port);
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await vi.waitFor(() => expect(received.text).toContain("address 203.0.113.7"));
    received.text = "";
    socket.write(REQUEST);
    await vi.waitFor(() => expect(received.text).toContain("address 203.0.113.7"));
  });

  it("that never comes completely does not hold up the close of the server", async () => {
    const { server, port } = await startServer();
    const { socket, received } = await dial(port);
    socket.write(HEADER.subarray(0, 20));
    // A further client shows that the server has read the first one's bytes.
    const other = await dial(port);
    other.socket.write(REQUEST);
    await vi.waitFor(() => expect(other.received.text).toContain("address 127.0.0.1"));
    await server.close();
    await vi.waitFor(() => expect(received.ended).toBe(true));
    expect(received.text).toBe("");
  });

  it.each([
    ["with a size of more than a segment", "0d0a0d0a000d0a515549540a2111ffff"],
    ["with a size that is too small for its addresses", "0d0a0d0a000d0a515549540a2111000bcb007107c0000201303901"],
    ["with an unknown command", "0d0a0d0a000d0a515549540a2211000ccb007107c0000201303901bb"],
  ])("%s is invalid, and ends the connection", async (_, hex) => {
    expect(parseProxyHeader(Buffer.from(hex, "hex"))).toEqual({ kind: "invalid" });
    const { port } = await startServer();
    const { socket, received } = await dial(port);
    socket.write(Buffer.concat([Buffer.from(hex, "hex"), Buffer.from(REQUEST)]));
    await vi.waitFor(() => expect(received.ended).toBe(true));
    expect(received.text).toBe("");
  });

  it("is parsed at every length, and is complete at its last byte", () => {
    for (let length = 0; length < HEADER.length; length += 1) {
      expect(parseProxyHeader(HEADER.subarray(0, length))).toEqual({ kind: "incomplete" });
    }
    const complete = { kind: "complete", byteLength: 28, address: "203.0.113.7" };
    expect(parseProxyHeader(HEADER)).toEqual(complete);
    expect(parseProxyHeader(Buffer.concat([HEADER, Buffer.from(REQUEST)]))).toEqual(complete);
  });

  it("of an IPv6 client may have many extensions", () => {
    const addresses = "20010db800000000000000000000000720010db8000000000000000000000001303901bb";
    const all = Buffer.from(
      `0d0a0d0a000d0a515549540a21210224${addresses}${"0400fd".padEnd(512, "0").repeat(4)}`,
      "hex",
    );
    const complete = { kind: "complete", byteLength: 16 + 36 + 512, address: "2001:db8::7" };
    expect(parseProxyHeader(Buffer.concat([all, Buffer.alloc(600)]))).toEqual({ ...complete, byteLength: 16 + 0x224 });
  });

  it.each([["G"], ["GET / HTTP/1.1"], ["\r\n\r\nGET"], ["PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n"]])(
    "is absent from %j",
    (text) => {
      expect(parseProxyHeader(Buffer.from(text))).toEqual({ kind: "absent" });
    },
  );
});
