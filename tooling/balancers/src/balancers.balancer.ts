import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { CLOSE_CODES } from "@cm/protocol";
import { eventually, freePort, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { type Backend, type BalancerName, startBalancer } from "./load-balancer.js";

/** Time for a gateway to send its clients elsewhere, in seconds. */
const DRAIN_SECONDS = 3;

async function startGateway(prefix: string, { port, adminPort }: Backend): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({
    env: {
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      DRAIN_SECONDS: String(DRAIN_SECONDS),
    },
  });
  onTestFinished(() => gateway.kill());
  return gateway;
}

it.each<BalancerName>(["haproxy", "nginx"])("%s carries clients past a deploy and a crash", async (name) => {
  const prefix = freshPrefix();
  const backend = async (): Promise<Backend> => ({ port: await freePort(), adminPort: await freePort() });
  const [left, right] = [await backend(), await backend()];
  const first = await startGateway(prefix, left);
  const second = await startGateway(prefix, right);
  const port = await startBalancer(name, [left, right]);
  const url = `ws://127.0.0.1:${port}/ws`;
  const connectionsOf = async ({ adminPort }: Backend): Promise<unknown> => {
    const stats = await (await fetch(`http://127.0.0.1:${adminPort}/stats`)).json();
    return (stats as Record<string, unknown>).connections; // The gateway's own reply.
  };

  // The clients are on both gateways, and rooms span both.
  const sockets = [await eventually(() => CmSocket.open(url, "user-0"))];
  while (sockets.length < 8) sockets.push(await CmSocket.open(url, `user-${sockets.length}`));
  await Promise.all(sockets.map((socket) => socket.do({ type: "join", room: "r" })));
  expect([await connectionsOf(left), await connectionsOf(right)]).toEqual([4, 4]);
  await sockets[0]?.do({ type: "publish", room: "r", data: "before" });
  await Promise.all(sockets.map((socket) => socket.until((frame) => frame.type === "message")));

  // During a deploy, new clients are never refused, and clients that were sent away reconnect at once.
  const stopped = first.stop();
  let isOver = false;
  void stopped.then(() => {
    isOver = true;
  });
  const refused: unknown[] = [];
  while (!isOver) {
    try {
      await (await CmSocket.open(url, "newcomer")).close();
    } catch (error) {
      // The connection was accepted before the drain began, and closed before its hello was read.
      if (!String(error).includes(`closed with ${CLOSE_CODES["going-away"]}`)) refused.push(error);
    }
  }
  expect(refused).toEqual([]);
  expect(await stopped).toBe(0);
  const closed = await Promise.all(
    sockets.filter(({ isOpen }) => !isOpen).map(async (socket) => (await socket.closed).code),
  );
  expect(closed).toEqual(Array.from({ length: 4 }, () => CLOSE_CODES["going-away"]));
  const back = await Promise.all(closed.map((_, i) => CmSocket.open(url, `back-${i}`)));
  await Promise.all(back.map((socket) => socket.do({ type: "join", room: "r" })));
  await back[0]?.do({ type: "publish", room: "r", data: "during" });
  const stayed = sockets.filter(({ isOpen }) => isOpen);
  const everybody = [...back, ...stayed];
  await Promise.all(
    everybody.map((socket) => socket.until((frame) => frame.type === "message" && frame.data === "during")),
  );

  // The next version is running, and the other gateway is killed.
  const next = await startGateway(prefix, left);
  await second.kill();
  const survivor = await eventually(() => CmSocket.open(url, "survivor"), { timeoutMs: 5_000 });
  await eventually(async () => expect(await connectionsOf(left)).toBe(1));
  await survivor.close();
  expect(await next.stop()).toBe(0);
});
