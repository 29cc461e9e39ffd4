import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytes, openClient, RawClient, testOptions, WAIT } from "@cm/contract-tests/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import type { NodeServer } from "./options.js";
import { createWsServer } from "./server.js";

/** Starts an application's HTTP server, to which a transport is attached before the server listens. */
async function startApplication() {
  const http: NodeServer = createServer((request, response) => response.end(`the application's ${request.url}`));
  onTestFinished(() => void http.close());
  const { port: _, ...options } = testOptions().options;
  const server = createWsServer({ ...options, server: http });
  onTestFinished(() => server.close());
  expect((await server.start()).port).toBe(0);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  return { http, server, port: address.port };
}

describe("on the port of an application's own HTTP server", () => {
  it("serves WebSockets at its path, leaves all else to the application, and the server open at the end", async () => {
    const { server, port } = await startApplication();
    const client = openClient(port, "/ws");
    await vi.waitFor(() => expect(client.socket.readyState).toBe(WebSocket.OPEN), WAIT);
    expect(server.toUser("anyone", bytes("hello"))).toBe(1);
    await vi.waitFor(() => expect(client.texts).toEqual(["hello"]), WAIT);
    for (const path of ["/", "/ws"]) {
      expect(await (await fetch(`http://127.0.0.1:${port}${path}`)).text()).toBe(`the application's ${path}`);
    }
    await server.close();
    await vi.waitFor(() => expect(client.closes).toEqual([{ code: 4201, reason: "going-away" }]), WAIT);
    expect((await fetch(`http://127.0.0.1:${port}/still`)).status).toBe(200);
  });

  it("refuses upgrades at other paths if no listener but its own takes them", async () => {
    const { http, port } = await startApplication();
    const refused = await RawClient.dial(port, { path: "/other" });
    onTestFinished(() => refused.destroy());
    await vi.waitFor(() => expect(refused.answer?.status).toBe(404), WAIT);
    http.on("upgrade", (request, socket) => {
      if (request.url === "/other") socket.end("HTTP/1.1 418 I'm a teapot\r\n\r\n");
    });
    const taken = await RawClient.dial(port, { path: "/other" });
    onTestFinished(() => taken.destroy());
    await vi.waitFor(() => expect(taken.answer?.status).toBe(418), WAIT);
  });

  it("does not count the clients of a Unix socket as clients of one address", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cm-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const http = createServer();
    const { port: _, ...options } = testOptions().options;
    const server = createWsServer({
      ...options,
      server: http,
      maxConnectionsPerAddress: 1,
      maxUpgradesPerSecondPerAddress: 1,
    });
    onTestFinished(async () => {
      await server.close();
      http.close();
    });
    await server.start();
    await once(http.listen(join(folder, "http")), "listening");
    for (let count = 1; count <= 5; count += 1) {
      const socket = new WebSocket(`ws+unix:${folder}/http:/ws`, ["test.v1"]);
      onTestFinished(() => socket.terminate());
      await once(socket, "open");
      await vi.waitFor(() => expect(server.stats().connections).toBe(count), WAIT);
    }
    expect(server.connectionsOf("anyone").map(({ remoteAddress }) => remoteAddress)).toEqual(Array(5).fill(""));
  });

  it("refuses what only a server of its own can do", () => {
    const { options } = testOptions();
    const { port: _, ...others } = options;
    const server = createServer();
    for (const [field, given] of Object.entries({ port: 1, host: "::", routes: {} })) {
      expect(() => createWsServer({ ...others, server, [field]: given })).toThrow(
        expect.objectContaining({ code: "options-invalid", details: { field } }),
      );
    }
    expect(() => createWsServer(others)).toThrow(
      expect.objectContaining({
        message: "port must be given (0 for any free port), or server, a Node.js HTTP server to attach to.",
        details: { field: "port" },
      }),
    );
    // Pass invalid values, as callers without type checks may do.
    expect(() => createWsServer({ ...others, port: 0, subprotocols: "a" as unknown as string[] })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^subprotocols must be a list .*such as \["chat.v1"\]/),
      }),
    );
    expect(() => createWsServer({ ...others, server: {} as NodeServer })).toThrow(
      expect.objectContaining({ details: { field: "server" } }),
    );
  });
});

it("a port that another process has is refused", async () => {
  const { port } = await startApplication();
  const server = createWsServer({ ...testOptions().options, port });
  onTestFinished(() => server.close());
  await expect(server.start()).rejects.toMatchObject({ code: "port-in-use", details: { port } });
});
