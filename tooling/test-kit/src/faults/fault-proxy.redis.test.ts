import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, inject, it, onTestFinished } from "vitest";
import {
  askRedis,
  eventually,
  type FaultMode,
  type FaultProxy,
  freePort,
  freshPrefix,
  RespConnection,
  startFaultProxy,
} from "../index.js";

const redisPort = (): number => Number(new URL(inject("redisUrl")).port);

/**
 * Time without a reply after which none is expected, in milliseconds: longer than a reply over the loopback
 * address takes.
 */
const NO_ANSWER_MS = 150;

async function open(port: number): Promise<RespConnection> {
  const connection = await RespConnection.open(port);
  onTestFinished(() => connection.close());
  return connection;
}

async function proxyTo(port: number, mode?: FaultMode): Promise<FaultProxy> {
  const proxy = await startFaultProxy(port, mode === undefined ? {} : { mode });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Whether the promise is still pending after the time that a reply takes. */
async function staysOpen(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    promise.then(
      () => false,
      () => false,
    ),
    sleep(NO_ANSWER_MS, true),
  ]);
}

describe("a proxy in front of a Redis", () => {
  let proxy: FaultProxy;
  let key: string;

  beforeEach(async () => {
    proxy = await proxyTo(redisPort());
    key = `${freshPrefix()}:key`;
    onTestFinished(async () => {
      await askRedis(redisPort(), "DEL", key);
    });
  });

  it("passes everything, and counts connections and bytes", async () => {
    const connection = await open(proxy.port);
    const value = "x".repeat(1_000_000);
    expect(await connection.command("SET", key, value)).toBe("OK");
    expect(await connection.command("GET", key)).toBe(value);
    expect(proxy.accepted).toBe(1);
    expect(proxy.links).toHaveLength(1);
    expect(proxy.bytes["to-server"]).toBeGreaterThan(1_000_000);
    expect(proxy.bytes["to-client"]).toBeGreaterThan(1_000_000);
    connection.close();
    await eventually(() => expect(proxy.links).toEqual([]));
  });

  it("cuts what is open and refuses what is new, until it passes again on the same port", async () => {
    const connection = await open(proxy.port);
    const blocked = connection.command("BLPOP", key, 0);
    await eventually(() => expect(proxy.bytes["to-server"]).toBeGreaterThan(0));
    const broken = expect(blocked).rejects.toThrow("ECONNRESET");
    await proxy.set({ kind: "cut" });
    await broken;
    await expect(askRedis(proxy.port, "PING")).rejects.toThrow("ECONNREFUSED");
    expect(proxy.links).toEqual([]);
    await proxy.set({ kind: "pass" });
    expect(await askRedis(proxy.port, "PING")).toBe("PONG");
  });

  it("hangs in both directions: nothing arrives, new connections are taken, and all goes through afterwards", async () => {
    const connection = await open(proxy.port);
    expect(await connection.command("SET", key, 0)).toBe("OK");
    await proxy.set({ kind: "hang" });
    const first = connection.command("INCR", key);
    const late = await open(proxy.port);
    const second = late.command("INCR", key);
    expect(await staysOpen(Promise.race([first, second]))).toBe(true);
    expect(await askRedis(redisPort(), "GET", key)).toBe("0");
    expect(proxy.accepted).toBe(2);
    await proxy.set({ kind: "pass" });
    expect(new Set(await Promise.all([first, second]))).toEqual(new Set([1, 2]));
  });

  it("hangs towards the client alone: commands are carried out, answers come when it passes again", async () => {
    const connection = await open(proxy.port);
    await proxy.set({ kind: "hang", drop: "to-client" });
    const answer = connection.command("SET", key, "done");
    await eventually(async () => expect(await askRedis(redisPort(), "GET", key)).toBe("done"));
    expect(await staysOpen(answer)).toBe(true);
    await proxy.set({ kind: "pass" });
    expect(await answer).toBe("OK");
  });

  it("hangs towards the server alone: what Redis says by itself still arrives", async () => {
    const heard: unknown[] = [];
    const connection = await open(proxy.port);
    connection.onUnasked((reply) => heard.push(reply));
    await connection.command("SUBSCRIBE", key);
    await proxy.set({ kind: "hang", drop: "to-server" });
    const ping = connection.command("PING");
    await askRedis(redisPort(), "PUBLISH", key, "hello");
    // The first reply is treated as the reply to the command.
    expect(await ping).toEqual(["message", key, "hello"]);
    await proxy.set({ kind: "pass" });
    await eventually(() => expect(heard).toContainEqual(["pong", ""]));
  });

  it("delays each direction by its own time, and keeps the order", async () => {
    const connection = await open(proxy.port);
    await proxy.set({ kind: "delay", toServerMs: 100, toClientMs: 150 });
    const sentAt = performance.now();
    const answers = await Promise.all([1, 2, 3].map(() => connection.command("INCR", key)));
    // By this clock, timers may fire up to a millisecond early.
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(248);
    expect(answers).toEqual([1, 2, 3]);
  });

  it("can treat one connection apart, found by the port that Redis sees", async () => {
    const [one, other] = [await open(proxy.port), await open(proxy.port)];
    await other.command("CLIENT", "SETNAME", "apart");
    const clients = String(await askRedis(redisPort(), "CLIENT", "LIST")).split("\n");
    const port = Number(/ addr=[^ ]+:(\d+) /.exec(clients.find((line) => line.includes(" name=apart ")) ?? "")?.[1]);
    const link = proxy.links.find(({ serverSeesPort }) => serverSeesPort === port);
    link?.set({ kind: "hang" });
    const held = other.command("PING");
    expect(await staysOpen(held)).toBe(true);
    expect(await one.command("PING")).toBe("PONG");
    link?.set({ kind: "pass" });
    expect(await held).toBe("PONG");
    link?.set({ kind: "cut" });
    await expect(other.command("PING")).rejects.toThrow();
    expect(await one.command("PING")).toBe("PONG");
  });

  it("resets its client if no process listens behind it", async () => {
    const nobody = await proxyTo(await freePort());
    await expect(askRedis(nobody.port, "PING")).rejects.toThrow();
    expect(nobody.accepted).toBe(1);
  });
});

it("takes in little while it hangs, however much is sent", async () => {
  const proxy = await proxyTo(redisPort(), { kind: "hang", drop: "to-server" });
  const socket = await new Promise<Socket>((resolve) => {
    const made = connect(proxy.port, "127.0.0.1", () => resolve(made));
  });
  onTestFinished(() => {
    socket.destroy();
  });
  socket.on("error", () => undefined);
  const before = process.memoryUsage().arrayBuffers;
  const chunk = Buffer.alloc(1_048_576);
  // Fill the system's buffers, so that further data stays with the sender.
  for (let sent = 0; sent < 64 && !socket.writableNeedDrain; sent++) {
    socket.write(chunk);
    await sleep(1);
  }
  await eventually(() => expect(socket.writableNeedDrain).toBe(true));
  expect(proxy.bytes["to-server"]).toBe(0);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1_048_576);
});
