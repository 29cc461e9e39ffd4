import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { runGatewayToItsEnd, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { freshPrefix, keysLeftUnder } from "@cm/test-kit";
import { expect, inject, it } from "vitest";

it("gateways on ws and on uWebSockets.js form one cluster, and each closes its clients on request", async () => {
  const prefix = freshPrefix();
  const env = { REDIS_URL: inject("redisUrl"), REDIS_PREFIX: prefix };
  const [ws, uws] = await Promise.all([
    startGatewayProcess({ env: { ...env, TRANSPORT: "ws" } }),
    startGatewayProcess({ env }),
  ]);
  const [ann, bob] = await Promise.all([CmSocket.open(ws.wsUrl, "ann"), CmSocket.open(uws.wsUrl, "bob")]);
  for (const socket of [ann, bob]) await socket.do({ type: "join", room: "lobby" });
  await ann.do({ type: "publish", room: "lobby", data: "from ws" });
  await bob.do({ type: "publish", room: "lobby", data: "from uws" });
  for (const socket of [ann, bob]) {
    for (const data of ["from ws", "from uws"]) {
      await socket.until((frame) => frame.type === "message" && frame.data === data);
    }
  }
  const stats = (await (await fetch(`${ws.url}/stats`)).json()) as { readonly transport: object };
  expect(stats.transport).toMatchObject({ connections: 1, topics: 1, refused: {} });
  // Only the uws transport has this counter.
  expect(stats.transport).not.toHaveProperty("upgradesLost");
  expect(await Promise.all([ws.stop(), uws.stop()])).toEqual([0, 0]);
  for (const socket of [ann, bob]) expect(await socket.closed).toMatchObject({ code: 4201 });
  expect(await keysLeftUnder(env.REDIS_URL, prefix)).toEqual([`${prefix}:layout`]);
});

it("a gateway on ws refuses more than one worker, and names the variable", async () => {
  const end = await runGatewayToItsEnd({ TRANSPORT: "ws", WORKERS: "2", REDIS_URL: inject("redisUrl"), PORT: "3999" });
  expect(end.code).not.toBe(0);
  expect(end.output).toContain("WORKERS must be 1 with TRANSPORT=ws");
});
