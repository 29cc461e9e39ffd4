import { openClient, RawClient, WAIT } from "@cm/contract-tests/transport";
import { expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { startServer } from "../server.fixture.js";

it("upgrades that the native layer drops leave nothing behind, and are not reported", async () => {
  // Because of the first of the two headers, the native layer closes the TCP connection after the response, and
  // the WebSocket with it.
  const headers = { Connection: "close", connection: "Upgrade" };
  const { port, server, opened, closed } = await startServer({
    maxConnections: 1,
    authenticate: async () => ({ userId: "ann", data: "data" }),
  });
  for (let round = 1; round <= 3; round += 1) {
    const raw = await RawClient.dial(port, { headers });
    onTestFinished(() => raw.destroy());
    await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
    expect(server.stats()).toMatchObject({ connections: 0, users: 0, upgrading: 0, upgradesLost: round });
  }
  expect([opened, closed]).toEqual([[], []]);
  const { socket } = openClient(port, "/ws");
  await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
});

it("an upgrade on a connection kept alive is refused with a code after stopAccepting", async () => {
  const { server, port } = await startServer({ routes: { "/x": () => ({ status: 200, body: "x" }) } });
  const raw = await RawClient.dial(port, { path: "/x", headers: { Connection: "keep-alive" } });
  onTestFinished(() => raw.destroy());
  await vi.waitFor(() => expect(raw.answer?.status).toBe(200), WAIT);
  server.stopAccepting();
  raw.socket.write(
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: test.v1\r\n\r\n",
  );
  await vi.waitFor(() => expect(raw.leftoverText).toContain("503 Service Unavailable"), WAIT);
  expect(server.stats().refused).toEqual({ unavailable: 1 });
});
