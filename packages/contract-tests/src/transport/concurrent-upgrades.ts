import type { Authentication } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { OPCODE, RawClient } from "./raw-client.js";
import { ANN, type CreateTransport, deferred, refusal, serverStarter, WAIT } from "./transport-harness.js";

/**
 * Tests of the maximum number of connections, and of many upgrades. `crowd` is the number of connections that are
 * opened at once or one after the other, a multiple of 100.
 */
export function describeUpgradeCrowds(createTransport: CreateTransport, crowd: number): void {
  const startServer = serverStarter(createTransport);

  describe("capacity", () => {
    it("counts open connections, refuses beyond, and is free again after a close", async () => {
      const { port, server, join } = await startServer({ maxConnections: 2 });
      const first = await join();
      await join();
      expect(await refusal(port)).toMatchObject({ status: 503, body: { code: "capacity-reached" } });
      first.socket.close();
      await vi.waitFor(() => expect(server.stats().connections).toBe(1), WAIT);
      expect((await join()).connection.open).toBe(true);
      expect(server.stats().refused).toEqual({ "capacity-reached": 1 });
    });

    it("holds when all come at once and authentication takes a while", async () => {
      const gate = deferred<Authentication<string>>();
      const { port, server } = await startServer({ maxConnections: 5, authenticate: () => gate.promise });
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.dial(port)));
      onTestFinished(() => {
        for (const raw of clients) raw.destroy();
      });
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(20), WAIT);
      gate.resolve(ANN);
      await vi.waitFor(() => expect(clients.every((raw) => raw.answer !== undefined)).toBe(true), WAIT);
      const statuses = clients.map((raw) => raw.answer?.status);
      expect([101, 503].map((status) => statuses.filter((other) => other === status).length)).toEqual([5, 15]);
      expect(server.stats()).toMatchObject({ connections: 5, upgrading: 0, refused: { "capacity-reached": 15 } });
    });
  });

  describe("many upgrades after a wait", () => {
    it(`all stay open: ${crowd} with 0 to 5 ms of authentication, a send and a room in open`, async () => {
      const total = crowd;
      const { port, server, closed } = await startServer(
        { authenticate: () => new Promise((resolve) => setTimeout(resolve, Math.random() * 5, ANN)) },
        {
          open(connection) {
            connection.enter("everybody");
            connection.send("welcome");
          },
        },
      );
      const clients: RawClient[] = [];
      onTestFinished(() => {
        for (const raw of clients) raw.destroy();
      });
      while (clients.length < total) {
        clients.push(...(await Promise.all(Array.from({ length: 100 }, () => RawClient.dial(port)))));
      }
      await vi.waitFor(() => expect(server.stats().connections).toBe(total), WAIT);
      server.toRoom("everybody", new TextEncoder().encode("hello all"), []);
      await vi.waitFor(() => {
        expect(clients.filter((raw) => raw.texts.join() === "welcome,hello all")).toHaveLength(total);
      }, WAIT);
      expect(closed).toEqual([]);
      const quiet = { upgrading: 0, refused: {} };
      expect(server.stats()).toMatchObject({ connections: total, users: 1, topics: 1, ...quiet });
    });

    it("are distinguished when they settle while the library reads another request", async () => {
      // All requests wait for one promise, which is settled inside the tenth call of `authenticate`.
      const gate = deferred<void>();
      let asked = 0;
      const { port, server, opened, closed } = await startServer({
        async authenticate(request) {
          asked += 1;
          if (asked === 10) gate.resolve();
          await gate.promise;
          return { userId: new URLSearchParams(request.query).get("user") ?? "", data: "" };
        },
      });
      const clients: RawClient[] = [];
      onTestFinished(() => {
        for (const raw of clients) raw.destroy();
      });
      for (let index = 0; index < 10; index += 1) {
        clients.push(await RawClient.dial(port, { path: `/ws?user=${index}` }));
        await vi.waitFor(() => expect(asked).toBe(index + 1), WAIT);
      }
      await vi.waitFor(() => expect(opened).toHaveLength(10), WAIT);
      for (const connection of opened) connection.send(connection.userId);
      for (const [index, raw] of clients.entries()) {
        await vi.waitFor(() => expect(raw.texts).toEqual([String(index)]), WAIT);
      }
      expect(closed).toEqual([]);
      expect(server.stats().connections).toBe(10);
    });
  });

  describe("churn", () => {
    it(`of ${crowd} connections leaves nothing behind`, async () => {
      const { port, server, opened, closed } = await startServer(
        {},
        {
          open(connection) {
            connection.enter("lobby");
            connection.enter(`own ${connection.id}`);
          },
          frame: (connection) => connection.close("terminated"),
        },
      );
      const total = crowd;
      for (let done = 0; done < total; done += 100) {
        const clients = await Promise.all(
          Array.from({ length: 100 }, (_, index) => RawClient.dial(port, { path: `/ws?user=${index % 30}` })),
        );
        // Half of the clients disconnect without a close frame, some before the response; the others are
        // closed.
        for (const raw of clients.filter((_, index) => index % 2 === 0)) raw.destroy();
        const stayers = clients.filter((_, index) => index % 2 === 1);
        await vi.waitFor(() => expect(stayers.every((raw) => raw.answer?.status === 101)).toBe(true), WAIT);
        for (const raw of stayers) raw.send(OPCODE.text, Buffer.from("bye"));
        await vi.waitFor(() => expect(clients.every((raw) => raw.ended)).toBe(true), WAIT);
      }
      await vi.waitFor(() => expect(server.stats().connections).toBe(0), WAIT);
      expect(closed).toHaveLength(opened.length);
      expect(opened.length).toBeGreaterThanOrEqual(total / 2);
      expect(server.stats()).toMatchObject({ connections: 0, upgrading: 0, users: 0, topics: 0 });
    });
  });
}
