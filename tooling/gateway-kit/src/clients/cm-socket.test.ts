import { expect, it, onTestFinished } from "vitest";
import { startGatewayProcess } from "../processes/gateway-process.js";
import { CmSocket } from "./cm-socket.js";

it("stops waiting for a frame when the connection closes", async () => {
  const gateway = await startGatewayProcess();
  onTestFinished(() => gateway.kill());
  const socket = await CmSocket.open(gateway.wsUrl, "ann");
  const waiting = socket.until(({ type }) => type === "message");
  socket.terminate();
  await expect(waiting).rejects.toThrow("The connection closed before the expected frame arrived.");
  await expect(socket.until(({ type }) => type === "message")).rejects.toThrow("The connection closed");
});
