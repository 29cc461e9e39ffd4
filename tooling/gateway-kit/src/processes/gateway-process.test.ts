import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { startGatewayProcess } from "./gateway-process.js";

it("sends no more requests to a gateway that logs to a file and has failed to start", async () => {
  let requests = 0;
  // Occupies the port of the gateway, which therefore ends.
  const occupant = createServer((_request, response) => {
    requests++;
    response.writeHead(503).end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void occupant.close().closeAllConnections());
  await once(occupant, "listening");
  const { port } = occupant.address() as AddressInfo; // An object, because the server listens on TCP.
  const env = { PORT: String(port), HOST: "127.0.0.1", SERVER_ID: "late" };
  await expect(startGatewayProcess({ env, logTo: "/dev/null" })).rejects.toThrow("before it listened");
  const before = requests;
  expect(before).toBeGreaterThan(0);
  await sleep(200);
  // One request may have been under way.
  expect(requests).toBeLessThanOrEqual(before + 1);
});
