import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { ErrorCode } from "@cm/protocol";
import { createFaultCounter } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { OPCODE } from "./raw-client.js";
import { bytes, type CreateTransport, openClient, serverStarter, WAIT } from "./transport-harness.js";

/** Relays bytes to a server and back, and counts the reads in which the server's bytes arrived. */
async function countingProxy(serverPort: number): Promise<{ readonly port: number; readonly chunks: () => number }> {
  let chunks = 0;
  const proxy = createServer((client) => {
    const upstream = connect(serverPort, "127.0.0.1").setNoDelay(true);
    client.setNoDelay(true).pipe(upstream);
    upstream.on("data", () => {
      chunks += 1;
    });
    upstream.pipe(client);
    // If the connection on one side is cut, the connection on the other side ends with a reset.
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void proxy.close());
  const address = proxy.address();
  if (typeof address !== "object" || address === null) throw new Error("The proxy has no port.");
  return { port: address.port, chunks: () => chunks };
}

export function describeCounters(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("the counters of a server", () => {
    it("count closes by reason or code, with few keys whatever clients send", async () => {
      const { server, join, joinRaw } = await startServer({ idleTimeoutMs: 1_000, pingIntervalMs: 0 });
      const { connection } = await join();
      connection.close("overloaded", "too many requests");
      const own = [1000, 1001, 4000, 4321, 4999];
      for (const code of own) (await join()).socket.close(code);
      (await join()).socket.close();
      (await joinRaw()).raw.destroy();
      await joinRaw();
      await vi.waitFor(() => expect(server.stats().connections).toBe(0), WAIT);
      expect(server.stats().closed).toEqual({
        overloaded: 1,
        "1000": 1,
        "1001": 1,
        "4xxx": 3,
        "1005": 1,
        "1006": 1,
        "idle-timeout": 1,
      });
    });

    it("show that the frames of one turn are sent in one write, in order with the connection's rooms", async () => {
      const { server, join } = await startServer();
      const { connection, texts } = await join();
      connection.enter("room");
      for (let index = 0; index < 20; index += 1) connection.send(String(index));
      connection.send(bytes("20"));
      await vi.waitFor(() => expect(texts).toHaveLength(21), WAIT);
      expect(server.stats().traffic).toMatchObject({ framesSent: 21, writes: 1 });
      server.toRoom("room", bytes("21"), []);
      for (const text of ["22", "23"]) connection.send(text);
      server.toRoom("room", bytes("24"), []);
      connection.send("25");
      connection.close("terminated");
      const expected = Array.from({ length: 26 }, (_, index) => String(index));
      await vi.waitFor(() => expect(texts).toEqual(expected), WAIT);
    });

    it("count at least as many writes as reach the wire: a tenth of the frames of a busy room", async () => {
      // Turn pings off: the first one comes at a random time, and would be one more write on the wire.
      const { server, port, opened } = await startServer({ roomWindowMs: 100, pingIntervalMs: 0 });
      const proxy = await countingProxy(port);
      const { texts } = openClient(proxy.port, "/ws");
      await vi.waitFor(() => expect(opened).toHaveLength(1), WAIT);
      opened[0]?.enter("room");
      server.toRoom("room", bytes("0"), []);
      await vi.waitFor(() => expect(texts).toEqual(["0"]), WAIT);
      const before = { chunks: proxy.chunks(), writes: server.stats().traffic.writes };
      for (let index = 1; index <= 200; index += 1) {
        server.toRoom("room", bytes(String(index)), []);
        // Each message gets its own turn: without the window, each would be a write.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await vi.waitFor(() => expect(texts).toHaveLength(201), WAIT);
      const writes = server.stats().traffic.writes - before.writes;
      expect(proxy.chunks() - before.chunks).toBeLessThanOrEqual(writes);
      expect(writes).toBeLessThanOrEqual(20);
    });

    it("count faulty frames by code, including those that the handler found", async () => {
      const faults = createFaultCounter();
      const { server, join, joinRaw } = await startServer(
        { maxFrameBytes: 1024, faults },
        { binary: () => faults.count("frame-not-text") },
      );
      const client = await join();
      client.socket.send(Buffer.from("binary"));
      client.socket.send(Buffer.from("binary"));
      client.socket.send("x".repeat(1_025));
      const { raw } = await joinRaw();
      raw.send(OPCODE.text, Buffer.from([0xff]));
      await vi.waitFor(() => expect(server.stats().connections).toBe(0), WAIT);
      expect(server.stats().faults).toEqual({ "frame-not-text": 2, "frame-too-large": 1, "frame-invalid": 1 });
      // Values that plain JavaScript may pass.
      for (let index = 0; index < 100; index += 1) faults.count(`made-up-${index}` as ErrorCode);
      expect(server.stats().faults).toMatchObject({ internal: 100 });
      expect(Object.keys(server.stats().faults)).toHaveLength(4);
    });
  });
}
