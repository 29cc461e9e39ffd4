import { CmSocket, openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { runGatewayProgram } from "@cm/gateway-kit/processes/gateway-program";
import { eventually, freePort, freshPrefix, keysLeftUnder, startFaultProxy } from "@cm/test-kit";
import { afterEach, describe, expect, inject, it, onTestFinished } from "vitest";
import { startOutsideRouter } from "./outside-router.fixture.js";

/** Long enough that draining 100 clients at the minimum rate takes 5 s, which the tests need for their checks. */
const LONG = { DRAIN_SECONDS: "25", OFFLINE_GRACE_MS: "10000", SHUTDOWN_TIMEOUT_MS: "10000" };

describe("a gateway that drains", () => {
  const running: GatewayProcess[] = [];
  let prefix: string;

  async function start(env: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
    prefix = freshPrefix();
    const gateway = await startGatewayProcess({
      env: { REDIS_URL: inject("redisUrl"), REDIS_PREFIX: prefix, SERVER_ID: "gw1", ...LONG, ...env },
    });
    running.push(gateway);
    return gateway;
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((gateway) => gateway.kill()));
  });

  function crowd(gateway: GatewayProcess, size: number): Promise<CmSocket[]> {
    return Promise.all(
      Array.from({ length: size }, async (_, i) => {
        const socket = await CmSocket.open(gateway.wsUrl, `user-${i}`);
        await socket.do({ type: "join", room: "lobby" });
        return socket;
      }),
    );
  }

  async function untilDraining(gateway: GatewayProcess): Promise<void> {
    await eventually(async () => {
      const reply = await fetch(`${gateway.url}/readyz`);
      expect([reply.status, await reply.json()]).toMatchObject([503, { ready: false, phase: "draining" }]);
    });
  }

  const left = async (): Promise<string[]> => keysLeftUnder(inject("redisUrl"), prefix);

  it("reports the drain, refuses new connections with a code, serves the remaining ones, and ends at once at a second signal", async () => {
    const gateway = await start();
    const sockets = await crowd(gateway, 100);
    gateway.signal("SIGTERM");
    await untilDraining(gateway);

    await expect(openSocket(gateway.wsUrl, "late")).rejects.toThrow("503");
    const refused = await fetch(`${gateway.url}/stats`).then((reply) => reply.json());
    expect(refused).toMatchObject({
      phase: "draining",
      transport: { refused: { unavailable: 1 }, drain: { connections: 100, done: false } },
    });

    const present = sockets.filter(({ isOpen }) => isOpen);
    expect(present.length).toBeGreaterThan(20);
    const [speaker] = present.slice(-1);
    await speaker?.ask({ type: "publish", room: "lobby", data: "still here" }).catch(() => undefined);
    // The clients that are still connected have received the message.
    await eventually(() => {
      const there = sockets.filter(({ isOpen }) => isOpen);
      expect(there.length).toBeGreaterThan(0);
      for (const socket of there) expect(socket.messages()).toEqual(["still here"]);
    });
    await expect(openSocket(gateway.wsUrl, "late")).rejects.toThrow("503");

    // A second signal right after the first is ignored; this one counts.
    await eventually(async () => {
      gateway.signal("SIGTERM");
      expect(sockets.filter(({ isOpen }) => isOpen)).toEqual([]);
    });
    expect(await gateway.exited).toBe(0);
    for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
    expect(gateway.logs).toContainEqual(expect.objectContaining({ msg: "draining", overMs: 25_000 }));
  }, 40_000);

  it("is not hurried by the same Ctrl-C that reaches it by two ways", async () => {
    const gateway = await start({ DRAIN_SECONDS: "1" });
    const sockets = await crowd(gateway, 60);
    const from = performance.now();
    gateway.signal("SIGINT");
    await untilDraining(gateway);
    gateway.signal("SIGTERM");
    const ends: number[] = await Promise.all(sockets.map(({ closed }) => closed.then(() => performance.now() - from)));
    expect(await gateway.exited).toBe(0);
    expect(Math.max(...ends)).toBeGreaterThan(700);
    expect(gateway.logs.filter(({ msg }) => msg === "draining")).toHaveLength(1);
  });

  it("leaves nothing behind after all clients were closed, and ends early if there are few of them", async () => {
    const gateway = await start({ DRAIN_SECONDS: "3600", OFFLINE_GRACE_MS: "0" });
    const sockets = await crowd(gateway, 5);
    gateway.signal("SIGTERM");
    for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
    expect(await gateway.exited).toBe(0);
    expect(await left()).toEqual([`${prefix}:layout`]);
  });

  it("has at most its drain and its shutdown time, whatever holds it up", async () => {
    // Redis no longer responds, so the gateway can't withdraw from it.
    const proxy = await startFaultProxy(Number(new URL(inject("redisUrl")).port));
    onTestFinished(() => proxy.close());
    const gateway = await start({
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      DRAIN_SECONDS: "1",
      SHUTDOWN_TIMEOUT_MS: "500",
    });
    const sockets = await crowd(gateway, 40);
    await proxy.set({ kind: "hang" });
    const from = performance.now();
    gateway.signal("SIGTERM");
    expect(await gateway.exited).toBe(1);
    // The stop must take at least the drain time and the shutdown time together, because the drain uses its
    // time.
    expect(performance.now() - from).toBeGreaterThan(1_300);
    for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
  });

  describe("because another server asked it to", () => {
    const outside = () => startOutsideRouter({ redisUrl: inject("redisUrl"), prefix });

    it("answers, drains, and ends", async () => {
      const gateway = await start({ OFFLINE_GRACE_MS: "0", DRAIN_SECONDS: "2" });
      const sockets = await crowd(gateway, 50);
      const router = await outside();
      expect(await router.control("gw1", { type: "drain" }, { timeoutMs: 10_000 })).toBe("done");
      // The result arrives once the drain has begun, and the drain can be requested again.
      await untilDraining(gateway);
      expect(await router.control("gw1", { type: "drain" }, { timeoutMs: 10_000 })).toBe("done");
      for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
      expect(await gateway.exited).toBe(0);
    });

    it("is replaced where it is one of several workers, which take its clients", async () => {
      prefix = freshPrefix();
      const port = await freePort();
      const program = runGatewayProgram({
        PORT: String(port),
        WORKERS: "2",
        REDIS_URL: inject("redisUrl"),
        REDIS_PREFIX: prefix,
        SERVER_ID: "multi",
        DRAIN_SECONDS: "1",
      });
      await program.line(({ msg }) => msg === "workers started");
      const wsUrl = `ws://127.0.0.1:${port}/ws`;
      const open = (i: number) => CmSocket.open(wsUrl, `user-${i}`);
      const sockets = await Promise.all(Array.from({ length: 20 }, (_, i) => open(i)));
      const router = await outside();
      expect(await router.control("multi-1", { type: "drain" }, { timeoutMs: 10_000 })).toBe("done");
      for (const { closed, serverId } of sockets) {
        if (serverId === "multi-1") expect(await closed).toMatchObject({ code: 4201 });
      }
      // No client is refused during the drain, because the draining worker has left the port to the other one.
      for (let i = 0; i < 20; i++) expect((await open(i)).serverId).not.toBe("multi-1");
      await program.line(({ serverId, url }) => serverId === "multi-1-2" && url !== undefined);
      for (const { isOpen, serverId } of sockets) if (serverId === "multi-2") expect(isOpen).toBe(true);
      program.child.kill("SIGTERM");
      expect(await program.ended).toMatchObject({ code: 0 });
    });
  });

  it("drains all workers at a signal, and hurries them at the second", async () => {
    prefix = freshPrefix();
    const port = await freePort();
    const env = { PORT: String(port), WORKERS: "2", REDIS_URL: inject("redisUrl"), REDIS_PREFIX: prefix };
    const program = runGatewayProgram({ ...env, DRAIN_SECONDS: "3600", OFFLINE_GRACE_MS: "0" });
    await program.line(({ msg }) => msg === "workers started");
    const wsUrl = `ws://127.0.0.1:${port}/ws`;
    const sockets = await Promise.all(Array.from({ length: 100 }, (_, i) => CmSocket.open(wsUrl, `user-${i}`)));
    program.child.kill("SIGTERM");
    await program.line(({ msg }) => msg === "draining", 3);
    expect(sockets.filter(({ isOpen }) => isOpen).length).toBeGreaterThan(0);
    await eventually(() => {
      program.child.kill("SIGTERM");
      expect(sockets.filter(({ isOpen }) => isOpen)).toEqual([]);
    });
    expect(await program.ended).toMatchObject({ code: 0, signal: null });
    expect(await left()).toEqual([`${prefix}:layout`]);
  });
});
