import { once } from "node:events";
import { createServer } from "node:net";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import {
  type GatewayProcess,
  runGatewayToItsEnd,
  startGatewayProcess,
} from "@cm/gateway-kit/processes/gateway-process";
import { eventually, freePort, freshPrefix, keysLeftUnder, keysUnder } from "@cm/test-kit";
import { afterEach, describe, expect, inject, it } from "vitest";

describe("a gateway's life", () => {
  const running: GatewayProcess[] = [];

  async function start(env: Record<string, string> = {}): Promise<GatewayProcess> {
    const gateway = await startGatewayProcess({ env });
    running.push(gateway);
    return gateway;
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((gateway) => gateway.stop()));
  });

  it("serves rooms from the memory store if no Redis is named", async () => {
    const gateway = await start();
    const [ann, bob] = await Promise.all([CmSocket.open(gateway.wsUrl, "ann"), CmSocket.open(gateway.wsUrl, "bob")]);
    await ann.do({ type: "join", room: "lobby" });
    await bob.do({ type: "join", room: "lobby" });
    await ann.do({ type: "publish", room: "lobby", data: "hi" });
    await bob.until((frame) => frame.type === "message" && frame.data === "hi");
    expect(await ann.do({ type: "members", room: "lobby" })).toMatchObject({ total: 2 });
  });

  it("says that it lives and whether it is ready", async () => {
    const gateway = await start();
    const health = await fetch(`${gateway.url}/healthz`);
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }]);
    const ready = await fetch(`${gateway.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({
      ready: true,
      phase: "serving",
      lease: "held",
      fault: null,
      link: "in-sync",
      linkSince: expect.stringMatching(/^\d{4}-.+Z$/),
      lastProbeMs: 0,
    });
  });

  it("serves the page to try it, with a strict content policy", async () => {
    const gateway = await start();
    for (const [path, type] of [
      ["/", "text/html"],
      ["/app.js", "text/javascript"],
      ["/style.css", "text/css"],
    ] as const) {
      const reply = await fetch(gateway.url + path);
      expect(reply.status).toBe(200);
      expect(reply.headers.get("content-type")).toContain(type);
      expect(reply.headers.get("content-security-policy")).toContain("default-src 'self'");
    }
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "closes cleanly on %s: clients get a close code, no key is left",
    async (signal) => {
      const prefix = freshPrefix();
      const gateway = await start({ REDIS_URL: inject("redisUrl"), REDIS_PREFIX: prefix });
      const ann = await CmSocket.open(gateway.wsUrl, "ann");
      await ann.do({ type: "join", room: "lobby" });
      expect((await keysUnder(inject("redisUrl"), prefix)).length).toBeGreaterThan(4);
      gateway.signal(signal);
      expect(await ann.closed).toMatchObject({ code: 4201 });
      expect(await gateway.exited).toBe(0);
      expect(await keysLeftUnder(inject("redisUrl"), prefix)).toEqual([`${prefix}:layout`]);
    },
  );

  it("ends with an error for each invalid environment value, all at once", async () => {
    const { code, output } = await runGatewayToItsEnd({
      PORT: "eighty",
      WORKERS: "0",
      SERVER_ID: "no.dots",
      REDIS_URL: "http://user:secret@localhost",
      HEARTBEAT_TTL_SECONDS: "10",
      LOG_LEVEL: "loud",
    });
    expect(code).toBe(78);
    for (const name of ["PORT", "WORKERS", "SERVER_ID", "REDIS_URL", "HEARTBEAT_TTL_SECONDS", "LOG_LEVEL"]) {
      expect(output).toContain(name);
    }
    expect(output).not.toContain("secret");
  });

  it("refuses a port that another process has, and leaves no key behind", async () => {
    const first = await start();
    const prefix = freshPrefix();
    const second = await runGatewayToItsEnd({
      PORT: String(first.port),
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
    });
    expect(second.code).toBe(1);
    expect(second.output).toContain("port-in-use");
    expect(await keysLeftUnder(inject("redisUrl"), prefix)).toEqual([`${prefix}:layout`]);
  });

  it("refuses the id of a living server, and says why", async () => {
    const shared = { REDIS_URL: inject("redisUrl"), REDIS_PREFIX: freshPrefix(), SERVER_ID: "same" };
    await start(shared);
    const second = await runGatewayToItsEnd({ ...shared, PORT: "0" });
    expect(second.code).toBe(1);
    expect(second.output).toContain("server-id-taken");
  });

  it("starts again under its id after it was killed, once its lease has expired", async () => {
    const prefix = freshPrefix();
    const shared = {
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
      SERVER_ID: "same",
      HEARTBEAT_INTERVAL_MS: "300",
      HEARTBEAT_TTL_SECONDS: "1",
    };
    const first = await start(shared);
    const ann = await CmSocket.open(first.wsUrl, "ann");
    await ann.do({ type: "join", room: "lobby" });
    await first.kill();
    const second = await eventually(() => start(shared));
    const bob = await CmSocket.open(second.wsUrl, "bob");
    await bob.do({ type: "join", room: "lobby" });
    expect(await bob.do({ type: "members", room: "lobby" })).toMatchObject({ total: 1, members: [{ user: "bob" }] });
  });

  it("runs several server processes on one port, each a server of its own", async () => {
    const port = await freePort();
    const prefix = freshPrefix();
    const url = `http://127.0.0.1:${port}`;
    const env = {
      PORT: String(port),
      WORKERS: "2",
      REDIS_URL: inject("redisUrl"),
      REDIS_PREFIX: prefix,
      SERVER_ID: "multi",
    };
    const primary = await start(env);
    await eventually(async () => {
      const servers = (await keysUnder(inject("redisUrl"), prefix)).filter((key) => /multi-[12]$/.test(key));
      expect(servers).toHaveLength(2);
      // Workers are registered before they listen, so also check that they do.
      expect(primary.logs.filter(({ msg }) => String(msg).startsWith("workers started"))).toHaveLength(1);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    });
    const sockets = await Promise.all(
      Array.from({ length: 40 }, (_, i) => CmSocket.open(`ws://127.0.0.1:${port}/ws`, `user-${i}`)),
    );
    expect(new Set(sockets.map(({ serverId }) => serverId))).toEqual(new Set(["multi-1", "multi-2"]));
    await Promise.all(sockets.map((socket) => socket.do({ type: "join", room: "lobby" })));
    await sockets[0]?.do({ type: "publish", room: "lobby", data: "hi" });
    for (const socket of sockets) await socket.until((frame) => frame.type === "message" && frame.data === "hi");

    const second = await runGatewayToItsEnd({ ...env, SERVER_ID: "intruder" });
    expect(second.code).toBe(1);
    expect(second.output).toContain("port-in-use");

    expect(await primary.stop()).toBe(0);
    for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 4201 });
    expect(await keysLeftUnder(inject("redisUrl"), prefix)).toEqual([`${prefix}:layout`]);
    // The port is free again.
    const probe = createServer().listen(port, "127.0.0.1");
    await once(probe, "listening");
    probe.close();
  });
});
