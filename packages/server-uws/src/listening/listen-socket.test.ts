import type { TemplatedApp } from "uWebSockets.js";
import { createServer, type Server } from "node:net";
import { openClient, testOptions, WAIT } from "@cm/contract-tests/transport";
import { listenFailure } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { loadNative } from "../native-library.js";
import { startServer } from "../server.fixture.js";
import { createUwsServer } from "../server.js";
import { listen } from "./listen-socket.js";

/** Makes the server listen on a free port. Returns the port. */
async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  return address.port;
}

/** Returns a port that is free at the moment. */
async function freePort(): Promise<number> {
  const probe = createServer();
  const port = await portOf(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe("listening", () => {
  it("binds a port exclusively: a second server is refused, whatever it asks for", async () => {
    const { port, join } = await startServer();
    for (const sharePort of [false, true]) {
      const second = createUwsServer({ ...testOptions().options, port, sharePort });
      onTestFinished(() => second.close());
      await expect(second.start()).rejects.toMatchObject({ code: "port-in-use", details: { port } });
      await second.close();
    }
    expect((await join()).connection.open).toBe(true);
  });

  it("refuses a port that another process uses", async () => {
    const other = createServer();
    onTestFinished(() => void other.close());
    const port = await portOf(other);
    const server = createUwsServer({ ...testOptions().options, port });
    onTestFinished(() => server.close());
    await expect(server.start()).rejects.toMatchObject({ code: "port-in-use" });
  });

  it("shares a port if both want to, and both get connections", async () => {
    const port = await freePort();
    const first = await startServer({ sharePort: true, port });
    const second = await startServer({ sharePort: true, port });
    for (let count = 0; first.opened.length === 0 || second.opened.length === 0; count += 1) {
      expect(count).toBeLessThan(200);
      const { socket } = openClient(port, "/ws");
      await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
    }
    await first.server.close();
    const { socket } = openClient(port, "/ws");
    await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
  });

  it("gives the port back when it closes", async () => {
    const { port, server } = await startServer();
    await server.close();
    const next = await startServer({ port });
    expect((await next.join()).connection.open).toBe(true);
  });

  it("says that an address is not of this machine", async () => {
    // 192.0.2.0/24 is reserved for documentation.
    const server = createUwsServer({ ...testOptions().options, host: "192.0.2.1" });
    onTestFinished(() => server.close());
    await expect(server.start()).rejects.toMatchObject({
      code: "options-invalid",
      message: "192.0.2.1 is not an address of this machine (EADDRNOTAVAIL).",
      details: { host: "192.0.2.1", cause: "EADDRNOTAVAIL" },
    });
  });

  it("says that another process listens only if one does", async () => {
    const native = loadNative(4_096);
    // This App fails to listen even if nothing prevents it.
    const app = { listen: (...args: unknown[]) => (args[3] as (socket: false) => void)(false) };
    const address = { host: "127.0.0.1", port: await freePort(), sharePort: false };
    await expect(listen(native, app as unknown as TemplatedApp, address)).rejects.toMatchObject({
      code: "unavailable",
      retryable: true,
    });
  });

  it.each([
    ["EACCES", "options-invalid", /may not listen on h:80 \(EACCES\)/],
    ["ENOTFOUND", "options-invalid", /host name h can't be resolved/],
    ["EMFILE", "unavailable", /too many open files/],
    ["EADDRINUSE", "port-in-use", /Another process/],
    ["EOTHER", "options-invalid", /can't listen on h:80 \(EOTHER\)/],
  ])("distinguishes %s", (cause, code, message) => {
    const error = listenFailure({ host: "h", port: 80 }, cause);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), details: { cause } });
  });

  it("serves IPv6 and reports addresses in their usual spelling", async () => {
    const { port, opened } = await startServer({ host: "::" });
    for (const host of ["[::1]", "127.0.0.1"]) {
      const socket = new WebSocket(`ws://${host}:${port}/ws`, ["test.v1"]);
      onTestFinished(() => socket.terminate());
      await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
    }
    expect(opened.map(({ remoteAddress }) => remoteAddress)).toEqual(["::1", "127.0.0.1"]);
  });
});
