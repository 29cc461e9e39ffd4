import { CLOSE_CODES } from "@cm/protocol";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RawClient } from "./raw-client.js";
import { bytes, type CreateTransport, openClient, serverStarter, testOptions, WAIT } from "./transport-harness.js";

export function describeDrain(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  /** Starts a server with raw clients, and records when it closes each of them. */
  async function crowded(count: number) {
    const at: number[] = [];
    const started = await startServer({}, { closed: () => void at.push(performance.now()) });
    const clients = await Promise.all(Array.from({ length: count }, () => RawClient.dial(started.port)));
    onTestFinished(() => {
      for (const raw of clients) raw.destroy();
    });
    await vi.waitFor(() => expect(started.opened).toHaveLength(count), WAIT);
    return { ...started, at, clients };
  }

  /** The response of the server to a new connection. */
  async function knock(port: number): Promise<{ readonly status: number; readonly body: string }> {
    const raw = await RawClient.dial(port);
    onTestFinished(() => raw.destroy());
    await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
    return { status: raw.answer?.status ?? 0, body: raw.leftoverText };
  }

  describe("a server that is drained", () => {
    it("closes its connections with going-away, in waves that are spread over the time", async () => {
      const { server, at, clients } = await crowded(100);
      const startedAt = performance.now();
      const draining = server.drain({ overMs: 1_000 });
      expect(server.drain({ overMs: 0 })).toBe(draining);
      expect(server.stats().drain).toEqual({ connections: 100, closed: 10, done: false });
      await draining;
      expect(server.stats()).toMatchObject({ connections: 0, drain: { connections: 100, closed: 100, done: true } });
      expect(at).toHaveLength(100);
      // Ten connections at a time, and never two waves within less than 49 ms, about half of the 100 ms
      // between them.
      const waves = at.filter((_, index) => index % 10 === 0);
      for (const [index, time] of waves.entries()) {
        if (index > 0) expect(time - (waves[index - 1] ?? 0)).toBeGreaterThanOrEqual(49);
      }
      expect((at[99] ?? 0) - startedAt).toBeGreaterThan(850);
      await vi.waitFor(() => {
        expect(clients.every((raw) => raw.closeCode === CLOSE_CODES["going-away"])).toBe(true);
      }, WAIT);
    });

    it("does not take its whole time for a few", async () => {
      const { server, clients } = await crowded(5);
      await server.drain({ overMs: 3_600_000 });
      await vi.waitFor(() => expect(clients.map((raw) => raw.closeCode)).toEqual(Array(5).fill(4201)), WAIT);
    });

    it("refuses new connections with a code, including pending upgrades, and still answers over HTTP", async () => {
      let door = 0;
      const { server, port, join } = await startServer({
        routes: { "/state": () => ({ status: 503, body: "draining" }) },
        authenticate: (request) => {
          if (request.query !== "user=slow") return { userId: "quick", data: "" };
          door += 1;
          return new Promise(() => undefined);
        },
      });
      await join("quick");
      const waiting = await RawClient.dial(port, { path: "/ws?user=slow" });
      onTestFinished(() => waiting.destroy());
      await vi.waitFor(() => expect(door).toBe(1), WAIT);
      await server.drain({ overMs: 100 });
      await vi.waitFor(() => expect(waiting.answer?.status).toBe(503), WAIT);
      expect(await knock(port)).toMatchObject({ status: 503, body: expect.stringContaining('"unavailable"') });
      const reply = await fetch(`http://127.0.0.1:${port}/state`);
      expect([reply.status, await reply.text()]).toEqual([503, "draining"]);
      expect(server.stats().refused).toEqual({ closed: 1, unavailable: 1 });
    });

    it("serves the remaining connections as before, until their turn", async () => {
      const { server, join } = await startServer();
      const clients = [];
      for (let i = 0; i < 10; i++) clients.push(await join());
      for (const { connection } of clients) connection.enter("room");
      let round = 0;
      const draining = server.drain({ overMs: 500 });
      // A client that is connected during a round gets this round and all rounds before.
      const rounds = new Map(clients.map((client) => [client, 0]));
      while (server.stats().connections > 0) {
        for (const client of clients) if (client.connection.open) rounds.set(client, round + 1);
        server.toRoom("room", bytes(String(round++)), []);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await draining;
      expect(round).toBeGreaterThan(5);
      for (const [{ closes, texts }, count] of rounds) {
        await vi.waitFor(() => expect(closes).toEqual([{ code: 4201, reason: "going-away" }]), WAIT);
        expect(texts).toEqual(Array.from({ length: count }, (_, i) => String(i)));
      }
    });

    it("closes the remaining connections at once when its signal aborts, and when it is closed", async () => {
      const hurried = await crowded(30);
      const hurry = new AbortController();
      const draining = hurried.server.drain({ overMs: 3_600_000, signal: hurry.signal });
      hurry.abort();
      await draining;
      expect(hurried.server.stats()).toMatchObject({ connections: 0, drain: { closed: 30, done: true } });

      const closed = await crowded(30);
      const interrupted = closed.server.drain({ overMs: 3_600_000 });
      await Promise.all([closed.server.close(), interrupted]);
      for (const { closeCode } of [...hurried.clients, ...closed.clients]) expect(closeCode).toBe(4201);
    });

    it("rejects with unavailable before the start has resolved, and the start goes on", async () => {
      const server = createTransport(testOptions().options);
      onTestFinished(() => server.close());
      const tooEarly = { code: "unavailable", details: { call: "server.drain" } };
      await expect(server.drain({ overMs: 0 })).rejects.toMatchObject(tooEarly);
      const starting = server.start();
      await expect(server.drain({ overMs: 0 })).rejects.toMatchObject(tooEarly);
      const { port } = await starting;
      const client = openClient(port, "/ws");
      await vi.waitFor(() => expect(client.socket.readyState).toBe(client.socket.OPEN), WAIT);
      expect(server.stats().drain).toBeUndefined();
      await server.drain({ overMs: 0 });
      await vi.waitFor(() => expect(client.closes).toEqual([{ code: 4201, reason: "going-away" }]), WAIT);
    });

    it.each([{ overMs: -1 }, { overMs: 1.5 }, { overMs: 3_600_001 }, { overMs: "1" }, { overMs: 1, signal: {} }, null])(
      "refuses %j and continues serving",
      async (options) => {
        const server = createTransport(testOptions().options);
        onTestFinished(() => server.close());
        const { port } = await server.start();
        // The options are invalid on purpose.
        expect(() => server.drain(options as never)).toThrow(expect.objectContaining({ code: "options-invalid" }));
        const client = openClient(port, "/ws");
        await vi.waitFor(() => expect(client.socket.readyState).toBe(client.socket.OPEN), WAIT);
        expect(server.stats().drain).toBeUndefined();
      },
    );
  });
}
