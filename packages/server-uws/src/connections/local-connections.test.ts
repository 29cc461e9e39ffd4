import type { WebSocket as NativeWebSocket, WebSocketBehavior } from "uWebSockets.js";
import { describeLocalConnections } from "@cm/contract-tests/local-connections";
import { bytes, openClient, RawClient, WAIT } from "@cm/contract-tests/transport";
import { CLOSE_CODES, isCmError } from "@cm/protocol";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { listenOnFreePort } from "../listening/free-port.fixture.js";
import { loadNative } from "../native-library.js";
import { createLocalConnectionManager, type UwsLocalConnectionOptions } from "./local-connections.js";

type Socket = NativeWebSocket<unknown>;

/**
 * Starts an App as an application would, with a managed route `/ws` and another route `/foreign`. Records the
 * events that the handlers of `/ws` receive.
 */
async function startApp(
  options: Omit<UwsLocalConnectionOptions, "app"> = {},
  behavior: WebSocketBehavior<unknown> = {},
) {
  const native = loadNative(4_096);
  const app = native.App();
  onTestFinished(() => void app.close());
  const local = createLocalConnectionManager({ app, ...options });
  const sockets: Socket[] = [];
  const heard: string[] = [];
  const closes: { readonly code: number; readonly reason: string }[] = [];
  app.ws(
    "/ws",
    local.behavior({
      ...behavior,
      open: (socket) => void sockets.push(socket),
      message: (_socket, message) => void heard.push(Buffer.from(message).toString()),
      close: (_socket, code, message) => void closes.push({ code, reason: Buffer.from(message).toString() }),
    }),
  );
  app.ws("/foreign", { open: (socket) => void sockets.push(socket) });
  const port = await listenOnFreePort(native, app);
  const serverSide = (): Socket => {
    const socket = sockets.shift();
    if (socket === undefined) throw new Error("The server saw no socket.");
    return socket;
  };
  const connect = async (path = "/ws") => {
    const client = openClient(port, path);
    await vi.waitFor(() => expect([client.socket.readyState, sockets.length]).toEqual([WebSocket.OPEN, 1]), WAIT);
    return { ...client, socket: serverSide(), client: client.socket };
  };
  const ended: string[] = [];
  const add = (connectionId: string, socket: Socket, userId = "ann") =>
    local.add({ connectionId, userId, socket, onClosed: () => void ended.push(connectionId) });
  return { local, app, port, connect, serverSide, add, ended, heard, closes, sockets };
}

function codeOf(call: () => void): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return isCmError(error) ? error.code : String(error);
  }
}

describeLocalConnections("uWebSockets.js", async (limits) => {
  const native = loadNative(4_096);
  const app = native.App();
  const local = createLocalConnectionManager({ app, ...limits });
  const arrived: Socket[] = [];
  app.ws("/", local.behavior({ open: (socket) => void arrived.push(socket) }));
  const port = await listenOnFreePort(native, app);
  return {
    local,
    url: `ws://127.0.0.1:${port}/`,
    async nextSocket() {
      await vi.waitFor(() => expect(arrived.length).toBeGreaterThan(0), WAIT);
      return arrived.shift() as Socket; // The wait ensures that there is one.
    },
    close: async () => void app.close(),
  };
});

describe("the sockets of an App of one's own", () => {
  it("get what is sent to them, their users and their rooms, in the order of the calls", async () => {
    const { local, connect, add, heard } = await startApp();
    const [a, b, c] = [await connect(), await connect(), await connect()];
    add("a", a.socket, "ann");
    add("b", b.socket, "ann");
    add("c", c.socket, "cem");
    for (const id of ["a", "b", "b"]) local.enter(id, "room");
    local.toRoom("room", bytes("1"), []);
    expect(local.toConnection("a", bytes("2"))).toBe(true);
    expect(local.toUser("ann", bytes("3"))).toBe(2);
    local.toRoom("room", bytes("4"), ["a", "c", "nobody"]);
    local.toRoom("room", bytes("5"), ["a", "b"]);
    local.exit("b", "room");
    local.exit("c", "room");
    local.toRoom("room", bytes("6"), []);
    for (const id of ["a", "b", "c"]) local.toConnection(id, bytes("end"));
    for (const [client, texts] of [
      [a, ["1", "2", "3", "6", "end"]],
      [b, ["1", "3", "4", "end"]],
      [c, ["end"]],
    ] as const) {
      await vi.waitFor(() => expect(client.texts).toEqual(texts), WAIT);
    }
    expect(local.toConnection("nobody", bytes("x"))).toBe(false);
    expect(local.toUser("nobody", bytes("x"))).toBe(0);
    expect(local.stats()).toMatchObject({ connections: 3, users: 2 });
    a.client.send("to the App's own handler");
    await vi.waitFor(() => expect(heard).toEqual(["to the App's own handler"]), WAIT);
  });

  it("are distinguished from the App's own topics", async () => {
    const { local, app, connect, add } = await startApp();
    const a = await connect();
    add("a", a.socket);
    local.enter("a", "room");
    a.socket.subscribe("own");
    for (const topic of ["room", "room:room"]) app.publish(topic, "not for members");
    local.remove("a");
    local.toRoom("room", bytes("not a member any more"), []);
    app.publish("own", "the App's own");
    await vi.waitFor(() => expect(a.texts).toEqual(["the App's own"]), WAIT);
  });

  it("are released without being closed, and can be registered again under another id", async () => {
    const { local, connect, add, ended } = await startApp();
    const a = await connect();
    add("a", a.socket);
    local.remove("a");
    local.remove("a");
    expect(local.size).toBe(0);
    expect(local.toConnection("a", bytes("x"))).toBe(false);
    expect(local.lastSeenOf("a")).toBeUndefined();
    add("a2", a.socket);
    local.toConnection("a2", bytes("again"));
    await vi.waitFor(() => expect(a.texts).toEqual(["again"]), WAIT);
    a.client.terminate();
    await vi.waitFor(() => expect(ended).toEqual(["a2"]), WAIT);
    expect(local.stats()).toMatchObject({ connections: 0, users: 0 });
  });

  it("are closed with the code of the reason, which is reported only once", async () => {
    const { local, connect, add, ended, closes } = await startApp();
    const a = await connect();
    add("a", a.socket);
    local.enter("a", "room");
    local.remove("a", "stale");
    local.remove("a", "terminated");
    local.enter("a", "room");
    local.exit("a", "room");
    const close = { code: CLOSE_CODES.stale, reason: "stale" };
    await vi.waitFor(() => expect(a.closes).toEqual([close]), WAIT);
    expect(closes).toEqual([close]);
    expect(ended).toEqual([]);
    expect(local.size).toBe(0);
  });

  it("are refused when there are too many, when they are known, closed, or of another route", async () => {
    const { local, connect, add, ended } = await startApp({ maxConnections: 2 });
    const [a, b, c, foreign] = [await connect(), await connect(), await connect(), await connect("/foreign")];
    add("a", a.socket);
    expect(codeOf(() => add("a2", a.socket))).toBe("id-invalid");
    expect(codeOf(() => add("a", b.socket))).toBe("id-invalid");
    expect(codeOf(() => add("f", foreign.socket))).toBe("closed");
    add("b", b.socket);
    expect(codeOf(() => add("c", c.socket))).toBe("capacity-reached");
    expect(local.size).toBe(2);
    b.client.close(4000);
    await vi.waitFor(() => expect(ended).toEqual(["b"]), WAIT);
    expect(codeOf(() => add("b", b.socket))).toBe("closed");
    add("c", c.socket);
    expect(local.size).toBe(2);
  });

  it("report the time of the last message, ping or pong", async () => {
    const { local, connect, add, heard } = await startApp();
    const a = await connect();
    add("a", a.socket);
    const opened = local.lastSeenOf("a") ?? 0;
    expect(Math.abs(opened - Date.now())).toBeLessThan(5_000);
    const later = async (act: () => void) => {
      const before = local.lastSeenOf("a") ?? 0;
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before), WAIT);
      act();
      await vi.waitFor(() => expect(local.lastSeenOf("a")).toBeGreaterThan(before), WAIT);
    };
    await later(() => a.client.send("hello"));
    expect(heard).toEqual(["hello"]);
    await later(() => a.client.ping());
    await later(() => void a.socket.ping());
  });

  it("are closed when they don't read, before they can miss anything, also against the route's own limit", async () => {
    const { local, port, connect, serverSide, add, ended, closes, sockets } = await startApp(
      { maxBackpressureBytes: 64 * 1024 },
      { maxBackpressure: 1024 },
    );
    const reader = await connect();
    add("reader", reader.socket, "bob");
    const raw = await RawClient.dial(port);
    onTestFinished(() => raw.destroy());
    await vi.waitFor(() => expect(sockets).toHaveLength(1), WAIT);
    add("slow", serverSide(), "ann");
    for (const id of ["reader", "slow"]) local.enter(id, "room");
    raw.socket.pause();
    let count = 0;
    for (; ended.length === 0; count += 1) {
      expect(count).toBeLessThan(100_000);
      local.toRoom("room", bytes(`${count}:`.padEnd(10_000, "x")), []);
      if (count % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended).toEqual(["slow"]);
    expect(closes).toEqual([{ code: CLOSE_CODES["slow-consumer"], reason: "slow-consumer" }]);
    expect(local.stats()).toMatchObject({ connections: 1, slowConsumersClosed: 1 });
    expect(local.stats().bytesDiscarded).toBeGreaterThan(64 * 1024);
    raw.socket.resume();
    await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
    const numbers = raw.texts.map((text) => Number.parseInt(text, 10));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    await vi.waitFor(() => expect(reader.texts).toHaveLength(count), WAIT);
  });
});

describe("the options", () => {
  it("are checked", () => {
    const app = loadNative(4_096).App();
    onTestFinished(() => void app.close());
    for (const [field, value, min, max] of [
      ["maxConnections", 0, 1, 1_000_000],
      ["maxConnections", 1.5, 1, 1_000_000],
      ["maxBackpressureBytes", 1, 64 * 1024, 256 * 1024 * 1024],
    ] as const) {
      expect(() => createLocalConnectionManager({ app, [field]: value })).toThrow(
        expect.objectContaining({ code: "options-invalid", details: { field, min, max } }),
      );
    }
    // Pass invalid options, as callers without type checks may do.
    for (const options of [undefined, {}, { app: {} }] as unknown as UwsLocalConnectionOptions[]) {
      expect(codeOf(() => createLocalConnectionManager(options))).toBe("options-invalid");
    }
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("no room");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no room"))],
  ])("reports an onClosed that %s to onError", async (_, onClosed) => {
    const told: string[] = [];
    const { local, connect } = await startApp({
      onError: ({ code, cause }, { stage }) => void told.push(`${stage} ${code} ${cause}`),
    });
    const { client, socket } = await connect();
    local.add({ connectionId: "a", userId: "ann", socket, onClosed });
    client.close();
    await vi.waitFor(() => expect(told).toEqual(["handler internal Error: no room"]), WAIT);
    expect(local.size).toBe(0);
  });
});
