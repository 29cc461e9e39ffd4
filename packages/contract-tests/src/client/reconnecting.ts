import { describe, expect, it } from "vitest";
import { joined, type StartClient, startClient, startServer } from "./client-harness.js";
import type { ScriptedServer } from "./scripted-server.js";

/**
 * Close codes after which a client comes back: codes of 4200 to 4399, also ones that no server uses yet, and of RFC
 * 6455.
 */
const BACK = [4200, 4201, 4204, 4206, 4399, 1001, 1006, 1011, 1012, 1013];

/** Close codes after which a client stays away. */
const AWAY = [4000, 4001, 4002, 4004, 4005, 4199, 1000, 1002, 1008];

/**
 * The shortest and the longest wait before a reconnect, in milliseconds; `n` counts the failures before it, from 0.
 */
const wait = (n: number) => ({ min: 250 * 2 ** n, max: 500 * 2 ** n });

/** A timer may fire a little early by the clock of the test. */
const EARLY_MS = 5;

/** Time that a busy machine may add to a wait. */
const LATE_MS = 3_000;

/** Checks the times between the ends of connections, or refusals, and the next attempts. */
function expectWaits(waits: readonly number[]): void {
  for (const [n, each] of waits.entries()) {
    expect(each, `wait ${n}`).toBeGreaterThanOrEqual(wait(n).min - EARLY_MS);
    expect(each, `wait ${n}`).toBeLessThanOrEqual(wait(n).max + LATE_MS);
  }
}

/** Tests of how a client reconnects. */
export function describeReconnecting(start: StartClient): void {
  describe("coming back", () => {
    it("joins its rooms again, with another hello", async () => {
      const { server, connection } = await joined(start, ["lobby", "other"]);
      connection.end(4201);
      const second = await server.connection(1);
      await second.until("join", 2);
      expect(second.frames[0]?.type).toBe("hello");
      expect(second.of("join").map(({ room }) => room)).toEqual(["lobby", "other"]);
      expectWaits([second.openedAt - (connection.ended?.at ?? 0)]);
    });

    it(`happens after ${BACK.join(", ")}, and not after ${AWAY.join(", ")}`, async () => {
      const codes = [...BACK, ...AWAY];
      const servers = await Promise.all(codes.map(startServer));
      await Promise.all(servers.map((server) => startClient(start, server)));
      for (const [i, server] of servers.entries()) {
        const connection = await server.connection(0);
        await connection.until("join");
        connection.end(codes[i] ?? 0);
      }
      await Promise.all(servers.slice(0, BACK.length).map((server) => server.connection(1)));
      // All clients that come back have done so. Wait as long as the longest wait, so that the others could come
      // back too.
      await new Promise((resolve) => setTimeout(resolve, wait(0).max));
      const back = codes.filter((_, i) => (servers[i]?.attempts.length ?? 0) > 1);
      expect(back).toEqual(BACK);
    });

    it("waits longer each time, until a connection has lasted", async () => {
      const server = await startServer();
      await startClient(start, server);
      const waits: number[] = [];
      for (let i = 0; i < 3; i++) {
        const connection = await server.connection(i);
        await connection.until("join");
        connection.end(4201);
        const next = await server.connection(i + 1);
        waits.push(next.openedAt - (connection.ended?.at ?? 0));
      }
      expectWaits(waits);
    });

    it.each([429, 500, 503])(
      "tries again after an upgrade that was refused with %i, at growing intervals",
      async (status) => {
        const server = await startServer();
        server.refusals.push(status, status, status);
        await startClient(start, server);
        await (await server.connection(0)).until("join");
        expectWaits(intervals(server));
      },
    );

    it("spreads the clients of a server that ended", async () => {
      const server = await startServer();
      const count = 12;
      for (let i = 0; i < count; i++) await startClient(start, server);
      await server.connection(count - 1);
      for (const connection of server.connections) await connection.until("join");
      for (const connection of [...server.connections]) connection.end(4201);
      await server.connection(2 * count - 1);
      const times = server.attempts.slice(count).sort((a, b) => a - b);
      // Twelve random waits lie within a fifth of their range in one of five million runs.
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan((wait(0).max - wait(0).min) / 5);
    });
  });
}

/**
 * Tests of upgrades that are refused for good. They are a suite of their own, because the WebSocket of browsers
 * hides the answer to an upgrade.
 */
export function describeRefusedUpgrades(start: StartClient): void {
  describe("refused upgrades", () => {
    it("does not try again after an upgrade that was refused with 400, 401, 403 or 404", async () => {
      const statuses = [400, 401, 403, 404];
      const servers = await Promise.all(statuses.map(startServer));
      const control = await startServer();
      control.refusals.push(503);
      for (const [i, server] of servers.entries()) server.refusals.push(statuses[i] ?? 0);
      await Promise.all([...servers, control].map((server) => startClient(start, server)));
      await control.connection(0);
      await new Promise((resolve) => setTimeout(resolve, wait(0).max));
      expect(servers.map(({ attempts }) => attempts.length)).toEqual([1, 1, 1, 1]);
    });
  });
}

function intervals({ attempts }: ScriptedServer): number[] {
  return attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));
}
