import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { SUBPROTOCOL } from "@cm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import WebSocket from "ws";

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(() => gateway.stop());

/** Returns the response to an upgrade that the gateway refuses because of its query. */
async function refusal(query: string): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const upgrade = request(`${gateway.url}/ws${query}`, {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": Buffer.alloc(16, "k").toString("base64"),
      "sec-websocket-protocol": SUBPROTOCOL,
    },
  });
  upgrade.end();
  const admitted = once(upgrade, "upgrade").then(([, socket]) => {
    socket.destroy();
    throw new Error(`${query} was let in.`);
  });
  const [response] = (await Promise.race([once(upgrade, "response"), admitted])) as [IncomingMessage]; // Documented by Node.
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body };
}

it.each([
  ["?user=%ff%fe", 400, "name-invalid"],
  ["?user=%zz", 400, "name-invalid"],
  ["?user=ann&user=bob", 400, "name-invalid"],
  ["?user=", 400, "name-invalid"],
  ["?name=ann", 401, "unauthorized"],
  ["", 401, "unauthorized"],
])("refuses an upgrade with %j", async (query, status, code) => {
  const answer = await refusal(query);
  expect(answer.status).toBe(status);
  expect(answer.body).toContain(code);
});

it("takes a user as a form would encode it", async () => {
  const socket = new WebSocket(`${gateway.wsUrl}?user=ann+lee%2B%E2%9C%93`, SUBPROTOCOL);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "hello", version: 1 }));
  const [welcome] = await once(socket, "message");
  expect(JSON.parse(String(welcome))).toMatchObject({ type: "welcome", user: "ann lee+✓" });
  socket.close();
});

async function statsNow(): Promise<{ readonly transport: { readonly refused: Record<string, number> } }> {
  return (await fetch(`${gateway.url}/stats`)).json() as ReturnType<typeof statsNow>; // The gateway's own format.
}

it("counts what the transport did", async () => {
  const { transport: before } = await statsNow();
  await refusal("?name=ann");
  const ann = await CmSocket.open(gateway.wsUrl, "ann");
  await ann.do({ type: "join", room: "lobby" });
  expect(await statsNow()).toMatchObject({
    serverId: gateway.serverId,
    transport: {
      connections: 1,
      upgrading: 0,
      users: 1,
      topics: 1,
      slowConsumersClosed: 0,
      bytesDiscarded: 0,
      framesTooLarge: 0,
      upgradesLost: 0,
      acceptPauses: 0,
      refused: { unauthorized: (before.refused.unauthorized ?? 0) + 1 },
    },
  });
  await ann.close();
});
