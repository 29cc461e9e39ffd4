import { signDevelopmentToken } from "@cm/auth";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { CLOSE_CODES } from "@cm/protocol";
import { eventually, freePort, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { type Backend, type BalancerName, startBalancer } from "./load-balancer.js";

/** Time for a gateway to send its clients elsewhere, in seconds. */
const DRAIN_SECONDS = 3;

async function startGateway(
  prefix: string,
  { port, adminPort }: Backend,
  env: Readonly<Record<string, string>> = {},
): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({
    env: {
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      DRAIN_SECONDS: String(DRAIN_SECONDS),
      ...env,
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
      // Allowed: the connection was accepted before the drain began, and closed before its hello was read.
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

  // Start the next version, and kill the other gateway.
  const next = await startGateway(prefix, left);
  await second.kill();
  const survivor = await eventually(() => CmSocket.open(url, "survivor"), { timeoutMs: 5_000 });
  await eventually(async () => expect(await connectionsOf(left)).toBe(1));
  await survivor.close();
  expect(await next.stop()).toBe(0);
});

it.each<BalancerName>(["haproxy", "nginx"])("%s carries a new token over a live connection", async (name) => {
  const prefix = freshPrefix();
  const secret = "0123456789abcdef0123456789abcdef";
  const backend = async (): Promise<Backend> => ({ port: await freePort(), adminPort: await freePort() });
  const backends = [await backend(), await backend()];
  const env = { TOKEN_SECRET: secret, TOKEN_WARNING_SECONDS: "2", TOKEN_GRACE_SECONDS: "1" };
  await Promise.all(backends.map((each) => startGateway(prefix, each, env)));
  const url = `ws://127.0.0.1:${await startBalancer(name, backends)}/ws`;
  const tokenOf = (userId: string, ttlMs: number, join: readonly string[]): Promise<string> =>
    signDevelopmentToken(secret, { userId, ttlMs, rights: { join, publish: join } });
  const short = await tokenOf("ada", 3_000, ["a", "b"]);
  const ada = await eventually(() => CmSocket.openWithToken(url, short));
  const bob = await CmSocket.openWithToken(url, await tokenOf("bob", 3_000, []));
  for (const room of ["a", "b"]) await ada.do({ type: "join", room });

  // Each client is notified before its token expires. Ada refreshes hers with a token with fewer rights; Bob does
  // nothing.
  await Promise.all([ada, bob].map((client) => client.until((frame) => frame.type === "token-expiring")));
  const answer = await ada.do({ type: "refresh", token: await tokenOf("ada", 3_600_000, ["a"]) });
  expect(answer).toMatchObject({ type: "ack", expiresInMs: expect.any(Number) });
  expect(await ada.until((frame) => frame.type === "removed")).toMatchObject({ room: "b", code: "forbidden" });
  expect((await bob.closed).code).toBe(CLOSE_CODES.unauthorized);
  expect(await ada.ask({ type: "join", room: "b" })).toMatchObject({ type: "error", code: "forbidden" });
  // Past the end of the first token and its grace, the connection is still served.
  await ada.do({ type: "publish", room: "a", data: "after" });
  expect((await ada.until((frame) => frame.type === "message")).type).toBe("message");
  expect(await ada.ask({ type: "refresh", token: short })).toMatchObject({ type: "error", code: "unauthorized" });
  await ada.close();
});
