import { CLOSE_CODES, encodeUtf8, isCmError, type LocalConnectionManager } from "@cm/protocol";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";

/** A manager under test, with a server whose sockets the manager can hold. */
export interface LocalConnectionsHarness<S> {
  /** The manager under test. */
  readonly local: LocalConnectionManager<S>;
  /** The URL for clients, such as `ws://127.0.0.1:<port>/`. Clients offer no subprotocol. */
  readonly url: string;
  /**
   * Resolves with the server's socket of the next client, in the order in which clients connected. Waits for
   * the client if necessary.
   */
  nextSocket(): Promise<S>;
  /** Closes the server and its sockets. Called once. */
  close(): Promise<void>;
}

/** Limits of a manager that is made for a test. */
export interface LocalConnectionsLimits {
  /** Maximum number of connections. Default: the manager's own, 10,000. */
  readonly maxConnections?: number;
  /** Maximum number of bytes that wait for one connection. Default: the manager's own. */
  readonly maxBackpressureBytes?: number;
}

/** Makes a manager and starts its server. Called once for each test. */
export type StartLocalConnections<S> = (limits: LocalConnectionsLimits) => Promise<LocalConnectionsHarness<S>>;

/** Maximum time until a condition holds on a busy machine. */
const WAIT = { timeout: 10_000, interval: 5 } as const;

/**
 * Maximum duration of a test on a busy machine: some tests wait several times, and the default of vitest is
 * 5 s.
 */
const TEST_TIMEOUT_MS = 30_000;

/**
 * Maximum number of bytes that wait for the test's slow reader: the lowest limit that the managers of cm
 * accept.
 */
const LITTLE_BYTES = 64 * 1_024;

/**
 * Contract tests for `LocalConnectionManager`, on real sockets of the loopback address. Call it at the top
 * level of a test file.
 */
export function describeLocalConnections<S>(name: string, start: StartLocalConnections<S>): void {
  const begin = async (limits: LocalConnectionsLimits = {}) => {
    const { local, url, nextSocket, close } = await start(limits);
    onTestFinished(close);
    const ended: string[] = [];
    const connect = async () => {
      const client = new WebSocket(url);
      const texts: string[] = [];
      const closes: number[] = [];
      client.on("message", (data, isBinary) => void texts.push(isBinary ? "(binary)" : String(data)));
      client.on("close", (code) => void closes.push(code));
      // A connection that was cut also emits a close event.
      client.on("error", () => undefined);
      onTestFinished(() => client.terminate());
      const socket = await nextSocket();
      await vi.waitFor(() => expect(client.readyState).toBe(WebSocket.OPEN), WAIT);
      return { client, socket, texts, closes };
    };
    const add = (connectionId: string, socket: S, userId = "ann"): void =>
      local.add({ connectionId, userId, socket, onClosed: () => void ended.push(connectionId) });
    return { local, connect, add, ended };
  };

  describe(`${name}: local connections`, { timeout: TEST_TIMEOUT_MS }, () => {
    it("deliver to connections, users and rooms in the order of the calls, each frame as one text", async () => {
      const { local, connect, add } = await begin();
      const [a, b, c] = [await connect(), await connect(), await connect()];
      add("a", a.socket);
      add("b", b.socket);
      add("c", c.socket, "bob");
      for (const id of ["a", "b", "b", "c", "nobody"]) local.enter(id, "room");
      const lent = encodeUtf8("1 é");
      local.toRoom("room", lent, []);
      // The bytes are valid only during the call.
      lent.fill(0);
      expect(local.toConnection("a", encodeUtf8("2"))).toBe(true);
      expect(local.toUser("ann", encodeUtf8("3"))).toBe(2);
      local.toRoom("room", encodeUtf8("4"), ["a", "nobody"]);
      local.exit("b", "room");
      local.exit("b", "room");
      local.toRoom("room", encodeUtf8("5"), []);
      local.toRoom("empty", encodeUtf8("x"), []);
      await vi.waitFor(() => expect(a.texts).toEqual(["1 é", "2", "3", "5"]), WAIT);
      await vi.waitFor(() => expect(b.texts).toEqual(["1 é", "3", "4"]), WAIT);
      await vi.waitFor(() => expect(c.texts).toEqual(["1 é", "4", "5"]), WAIT);
      expect(local.size).toBe(3);
    });

    it("do nothing for a connection that is not here", async () => {
      const { local } = await begin();
      expect(local.toConnection("nobody", encodeUtf8("x"))).toBe(false);
      expect(local.toUser("nobody", encodeUtf8("x"))).toBe(0);
      local.enter("nobody", "room");
      local.exit("nobody", "room");
      local.remove("nobody", "stale");
      local.toRoom("room", encodeUtf8("x"), []);
      expect(local.lastSeenOf("nobody")).toBeUndefined();
      expect(local.size).toBe(0);
    });

    it("are refused if there are too many, and if the id or the socket is here, and nothing changes", async () => {
      const { local, connect, add } = await begin({ maxConnections: 2 });
      const [a, b, c] = [await connect(), await connect(), await connect()];
      add("a", a.socket);
      expect(codeOf(() => add("again", a.socket))).toBe("id-invalid");
      expect(codeOf(() => add("a", b.socket))).toBe("id-invalid");
      add("b", b.socket);
      expect(codeOf(() => add("c", c.socket))).toBe("capacity-reached");
      expect(local.size).toBe(2);
      expect(local.toConnection("c", encodeUtf8("x"))).toBe(false);
      local.remove("b");
      add("c", c.socket);
      local.toConnection("c", encodeUtf8("here"));
      await vi.waitFor(() => expect(c.texts).toEqual(["here"]), WAIT);
    });

    it("report a close once, and are then no longer registered", async () => {
      const { local, connect, add, ended } = await begin();
      const [a, b] = [await connect(), await connect()];
      add("a", a.socket);
      add("b", b.socket);
      local.enter("a", "room");
      a.client.close(4_000);
      await vi.waitFor(() => expect(ended).toEqual(["a"]), WAIT);
      b.client.terminate();
      await vi.waitFor(() => expect(ended).toEqual(["a", "b"]), WAIT);
      expect(local.size).toBe(0);
      expect(codeOf(() => add("a", a.socket))).toBe("closed");
      // The sockets are closed, so the calls must not use them.
      local.toRoom("room", encodeUtf8("x"), []);
      local.remove("a", "stale");
      expect(local.toUser("ann", encodeUtf8("x"))).toBe(0);
      expect(ended).toEqual(["a", "b"]);
    });

    it("are released without a reason, stay open, and get no more messages", async () => {
      const { local, connect, add, ended } = await begin();
      const a = await connect();
      add("a", a.socket);
      local.enter("a", "room");
      local.remove("a");
      local.toRoom("room", encodeUtf8("x"), []);
      expect(local.size).toBe(0);
      add("a2", a.socket);
      local.toRoom("room", encodeUtf8("x"), []);
      local.toConnection("a2", encodeUtf8("again"));
      await vi.waitFor(() => expect(a.texts).toEqual(["again"]), WAIT);
      a.client.close();
      await vi.waitFor(() => expect(ended).toEqual(["a2"]), WAIT);
    });

    it("are closed with the code of the reason, which only the client gets", async () => {
      const { local, connect, add, ended } = await begin();
      const a = await connect();
      add("a", a.socket);
      local.toConnection("a", encodeUtf8("before"));
      local.remove("a", "going-away");
      local.remove("a", "stale");
      await vi.waitFor(() => expect(a.closes).toEqual([CLOSE_CODES["going-away"]]), WAIT);
      expect(a.texts).toEqual(["before"]);
      expect([ended, local.size]).toEqual([[], 0]);
    });

    it("have the time of the last message", async () => {
      const { local, connect, add } = await begin();
      const a = await connect();
      add("a", a.socket);
      expect(Math.abs((local.lastSeenOf("a") ?? 0) - Date.now())).toBeLessThan(10_000);
      for (const act of [() => a.client.send("x"), () => a.client.ping()]) {
        const before = local.lastSeenOf("a") ?? 0;
        await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before), WAIT);
        act();
        await vi.waitFor(() => expect(local.lastSeenOf("a")).toBeGreaterThan(before), WAIT);
      }
    });

    it("are closed if they don't read, before they can miss a frame, and the others continue", async () => {
      const { local, connect, add, ended } = await begin({ maxBackpressureBytes: LITTLE_BYTES });
      const [slow, reader] = [await connect(), await connect()];
      add("slow", slow.socket);
      add("reader", reader.socket, "bob");
      for (const id of ["slow", "reader"]) local.enter(id, "room");
      slow.client.pause();
      let count = 0;
      for (; ended.length === 0; count += 1) {
        expect(count).toBeLessThan(100_000);
        local.toRoom("room", encodeUtf8(`${count}:`.padEnd(10_000, "x")), []);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(ended).toEqual(["slow"]);
      slow.client.resume();
      await vi.waitFor(() => expect(slow.closes).toHaveLength(1), WAIT);
      const numbers = slow.texts.map((text) => Number.parseInt(text, 10));
      expect(numbers).toEqual(numbers.map((_, index) => index));
      await vi.waitFor(() => expect(reader.texts).toHaveLength(count), WAIT);
    });
  });
}

/** The error code that a call throws; `undefined` if it throws nothing. */
function codeOf(call: () => void): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return isCmError(error) ? error.code : String(error);
  }
}
