import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { describeLocalConnections } from "@cm/contract-tests/local-connections";
import { CLOSE_CODES, isCmError } from "@cm/protocol";
import { describe, expect, it, onTestFinished } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { createLocalConnectionManager, type WsLocalConnectionOptions } from "./local-connections.js";

const WAIT = { timeout: 10_000, interval: 5 } as const;

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Starts a `ws` server that gives access to both sides of each connection. */
async function startServer(options: WsLocalConnectionOptions = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on TCP.
  const local = createLocalConnectionManager(options);
  const ended: string[] = [];
  const connect = async () => {
    const arrived = once(server, "connection");
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const texts: string[] = [];
    const closes: number[] = [];
    client.on("message", (data, isBinary) => void texts.push(isBinary ? "(binary)" : String(data)));
    client.on("close", (code) => void closes.push(code));
    client.on("error", () => undefined);
    const socket = (await arrived)[0] as WebSocket; // The first argument of the event.
    await expect.poll(() => client.readyState, WAIT).toBe(WebSocket.OPEN);
    return { client, socket, texts, closes };
  };
  const add = (connectionId: string, socket: WebSocket, userId = "ann") =>
    local.add({ connectionId, userId, socket, onClosed: () => void ended.push(connectionId) });
  return { local, connect, add, ended };
}

/** Returns the TCP socket of a `ws` client, for writing bytes that `ws` would not send. */
function clientStream(client: WebSocket): Socket {
  // `_socket` is missing in the types, but is set after the handshake.
  return (client as unknown as { readonly _socket: Socket })._socket;
}

function codeOf(call: () => void): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return isCmError(error) ? error.code : String(error);
  }
}

describeLocalConnections("ws", async (limits) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const arrived: WebSocket[] = [];
  server.on("connection", (socket) => void arrived.push(socket));
  await once(server, "listening");
  return {
    local: createLocalConnectionManager(limits),
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, // It listens on TCP.
    async nextSocket() {
      await expect.poll(() => arrived.length, WAIT).toBeGreaterThan(0);
      return arrived.shift() as WebSocket; // The poll ensures that there is one.
    },
    async close() {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
});

describe("the adapter for `ws`", () => {
  it("delivers to connections, users and rooms, in the order of the calls, as text", async () => {
    const { local, connect, add } = await startServer();
    const [a, b] = [await connect(), await connect()];
    add("a", a.socket, "ann");
    add("b", b.socket, "ann");
    for (const id of ["a", "b", "b", "nobody"]) local.enter(id, "room");
    const lent = bytes("1");
    local.toRoom("room", lent, []);
    lent.fill(0);
    expect(local.toConnection("a", bytes("2"))).toBe(true);
    expect(local.toConnection("nobody", bytes("x"))).toBe(false);
    expect(local.toUser("ann", bytes("3"))).toBe(2);
    expect(local.toUser("nobody", bytes("x"))).toBe(0);
    local.toRoom("room", bytes("4"), ["a", "nobody"]);
    local.exit("b", "room");
    local.toRoom("room", bytes("5"), []);
    local.toRoom("empty", bytes("x"), []);
    await expect.poll(() => a.texts, WAIT).toEqual(["1", "2", "3", "5"]);
    await expect.poll(() => b.texts, WAIT).toEqual(["1", "3", "4"]);
  });

  it("reports a close once, unless the connection was released before", async () => {
    const { local, connect, add, ended } = await startServer({ maxConnections: 2 });
    const [a, b, c] = [await connect(), await connect(), await connect()];
    add("a", a.socket);
    expect(codeOf(() => add("again", a.socket))).toBe("id-invalid");
    add("b", b.socket);
    expect(codeOf(() => add("c", c.socket))).toBe("capacity-reached");
    local.remove("a");
    local.remove("a", "stale");
    a.client.close();
    await expect.poll(() => a.closes.length, WAIT).toBe(1);
    b.client.close(4000);
    await expect.poll(() => ended, WAIT).toEqual(["b"]);
    expect(codeOf(() => add("b", b.socket))).toBe("closed");
    add("c", c.socket);
    local.remove("c", "going-away");
    await expect.poll(() => c.closes, WAIT).toEqual([CLOSE_CODES["going-away"]]);
    expect(ended).toEqual(["b"]);
    expect(local.size).toBe(0);
  });

  it("closes a socket whose client violates RFC 6455, and the process continues", async () => {
    const { local, connect, add, ended } = await startServer();
    const { client, socket, closes } = await connect();
    add("a", socket);
    // Send a frame with all reserved bits set.
    clientStream(client).write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    await expect.poll(() => closes, WAIT).toEqual([1002]);
    await expect.poll(() => ended, WAIT).toEqual(["a"]);
    expect(local.size).toBe(0);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("no room");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no room"))],
  ])("reports to onError if an onClosed %s", async (_, onClosed) => {
    const told: string[] = [];
    const { local, connect } = await startServer({
      onError: ({ code, cause }, { stage }) => void told.push(`${stage} ${code} ${cause}`),
    });
    const { client, socket } = await connect();
    local.add({ connectionId: "a", userId: "ann", socket, onClosed });
    client.close();
    await expect.poll(() => told, WAIT).toEqual(["handler internal Error: no room"]);
  });

  it.each([undefined, {}, { readyState: 1, OPEN: 1 }])("refuses %o, which is not a socket", (socket) => {
    const local = createLocalConnectionManager();
    expect(() => local.add({ connectionId: "c", userId: "ann", socket: socket as never, onClosed() {} })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field: "socket" }) }),
    );
    expect(local.size).toBe(0);
  });

  it("refuses an option that there is not", () => {
    const options = { maxConnection: 1 } as WsLocalConnectionOptions;
    expect(() => createLocalConnectionManager(options)).toThrow(
      expect.objectContaining({ details: { field: "maxConnection", nearest: "maxConnections" } }),
    );
  });

  it("reports the time of the last message", async () => {
    const { local, connect, add } = await startServer();
    const a = await connect();
    add("a", a.socket);
    for (const act of [() => a.client.send("x"), () => a.client.ping(), () => a.socket.ping()]) {
      const before = local.lastSeenOf("a") ?? 0;
      await expect.poll(() => Date.now(), WAIT).toBeGreaterThan(before);
      act();
      await expect.poll(() => local.lastSeenOf("a"), WAIT).toBeGreaterThan(before);
    }
    expect(local.lastSeenOf("nobody")).toBeUndefined();
  });

  it("sends no close frame to a client with much unread, whose socket would stay open for it", async () => {
    const { local, connect, add, ended } = await startServer();
    for (const [waiting, code] of [
      [100 * 1024, 1006],
      [10 * 1024, CLOSE_CODES["going-away"]],
    ] as const) {
      const { client, socket, closes } = await connect();
      add("a", socket);
      client.pause();
      while (socket.bufferedAmount < waiting) local.toConnection("a", bytes("x".repeat(5_000)));
      local.remove("a", "going-away");
      client.resume();
      await expect.poll(() => closes, WAIT).toEqual([code]);
    }
    expect([ended, local.size]).toEqual([[], 0]);
  });

  it("cuts one that does not read, before it can miss anything", async () => {
    const { local, connect, add, ended } = await startServer({ maxBackpressureBytes: 64 * 1024 });
    const [slow, reader] = [await connect(), await connect()];
    add("slow", slow.socket);
    add("reader", reader.socket, "bob");
    for (const id of ["slow", "reader"]) local.enter(id, "room");
    slow.client.pause();
    let count = 0;
    for (; ended.length === 0; count += 1) {
      expect(count).toBeLessThan(100_000);
      local.toRoom("room", bytes(`${count}:`.padEnd(10_000, "x")), []);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).toEqual(["slow"]);
    slow.client.resume();
    await expect.poll(() => slow.closes, WAIT).toEqual([1006]);
    const numbers = slow.texts.map((text) => Number.parseInt(text, 10));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    await expect.poll(() => reader.texts.length, WAIT).toBe(count);
  });
});
