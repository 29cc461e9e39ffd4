import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { startGatewayProcess } from "../processes/gateway-process.js";
import { CmSocket, openSocket } from "./cm-socket.js";

it("stops waiting for a frame when the connection closes", async () => {
  const gateway = await startGatewayProcess();
  onTestFinished(() => gateway.kill());
  const socket = await CmSocket.open(gateway.wsUrl, "ann");
  const waiting = socket.until(({ type }) => type === "message");
  socket.terminate();
  await expect(waiting).rejects.toThrow("The connection closed before the expected frame arrived.");
  await expect(socket.until(({ type }) => type === "message")).rejects.toThrow("The connection closed");
});

it("adds its user to the query of the URL", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // An object, because the server listens on TCP.
  const urls: (string | undefined)[] = [];
  server.on("connection", (_socket, request) => urls.push(request.url));
  for (const query of ["", "?token=a"]) (await openSocket(`ws://127.0.0.1:${port}/ws${query}`, "b&c")).terminate();
  expect(urls).toEqual(["/ws?user=b%26c", "/ws?token=a&user=b%26c"]);
});
