import { describe, expect, it, vi } from "vitest";
import { OPCODE } from "./raw-client.js";
import { type CreateTransport, serverStarter, WAIT } from "./transport-harness.js";

export function describeIdleConnections(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("an idle connection", () => {
    const IDLE = { pingIntervalMs: 200, idleTimeoutMs: 1_500 };

    it("is pinged long before a balancer or the idle timeout would cut it, and stays while it answers", async () => {
      const { join, pongs, closed } = await startServer(IDLE);
      const { connection } = await join();
      await vi.waitFor(() => expect(pongs.length).toBeGreaterThan(20), WAIT);
      expect(closed).toEqual([]);
      expect(connection.open).toBe(true);
      expect(connection.lastSeenAt).toBeGreaterThan(connection.openedAt);
    });

    it("whose client answers no ping is cut after idleTimeoutMs: never earlier, and at most 2 s later", async () => {
      const { joinRaw, closed } = await startServer(IDLE);
      const startedAt = performance.now();
      const { raw, connection } = await joinRaw();
      await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
      const lasted = performance.now() - startedAt;
      expect(lasted).toBeGreaterThanOrEqual(1_500);
      expect(lasted).toBeLessThan(1_500 + 2_000 + 500);
      expect(raw.frames.filter(({ opcode }) => opcode === OPCODE.ping).length).toBeGreaterThan(5);
      expect(closed).toEqual([{ connection, code: 1006, reason: "idle-timeout" }]);
    });

    it("is not pinged if pings are off, and cut unless its client sends something by itself", async () => {
      const { joinRaw, closed } = await startServer({ ...IDLE, pingIntervalMs: 0 });
      const [talker, silent] = [await joinRaw(), await joinRaw()];
      const timer = setInterval(() => talker.raw.send(OPCODE.pong, Buffer.alloc(0)), 100);
      await vi.waitFor(() => expect(silent.raw.ended).toBe(true), WAIT);
      clearInterval(timer);
      expect(closed.map(({ connection }) => connection)).toEqual([silent.connection]);
      expect([...talker.raw.frames, ...silent.raw.frames]).toEqual([]);
    });
  });
}
