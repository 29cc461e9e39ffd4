import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("says in a few lines that many clients left while Redis was away", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const gateway = await startGatewayProcess({ env: { REDIS_URL: redis.url } });
  onTestFinished(() => gateway.kill());
  const sockets = await Promise.all(Array.from({ length: 200 }, (_, i) => CmSocket.open(gateway.wsUrl, `user-${i}`)));
  await Promise.all(sockets.map((socket) => socket.do({ type: "join", room: "lobby" })));
  await redis.kill();
  for (const socket of sockets) socket.terminate();
  await eventually(async () => {
    expect(await (await fetch(`${gateway.url}/stats`)).json()).toMatchObject({ transport: { connections: 0 } });
  });
  // The closes can't be written to the store; failures that were only counted are logged at the latest now.
  await gateway.stop();
  const errors = gateway.logs.filter(({ level }) => Number(level) >= 50);
  expect(errors.length).toBeGreaterThan(0);
  expect(errors.filter(({ err }) => err !== undefined).length).toBeLessThan(20);
  expect(errors.length).toBeLessThan(30);
});
