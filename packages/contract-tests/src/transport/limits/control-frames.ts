import { CLOSE_CODES } from "@cm/protocol";
import { describe, expect, it, vi } from "vitest";
import { maskedFrame, OPCODE, type RawClient } from "../raw-client.js";
import { type CreateTransport, serverStarter, WAIT } from "../transport-harness.js";

/** 1,000 pings with the largest payload that RFC 6455 allows; each gets a pong of the same size. */
const PINGS = Buffer.concat(Array.from({ length: 1_000 }, () => maskedFrame(OPCODE.ping, Buffer.alloc(125, "x"))));

/** Maximum number of bytes that a client pings with: far more than the buffers of the system hold. */
const PINGED_MAX_BYTES = 256 * 1024 * 1024;

/**
 * Sends {@link PINGS} until the connection has ended or the maximum is reached. `look` is called after each write.
 */
async function pingUntilEnded({ socket }: RawClient, look: () => void): Promise<void> {
  for (let sent = 0; !socket.destroyed && sent < PINGED_MAX_BYTES; sent += PINGS.length) {
    await new Promise<void>((resolve) => socket.write(PINGS, () => resolve()));
    look();
  }
}

export function describeControlFrames(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("a client that pings", () => {
    it("and never reads is closed as a slow consumer once too many pongs wait for it", async () => {
      const { server, joinRaw, closed } = await startServer({
        maxBackpressureBytes: 64 * 1024,
        maxControlFramesPerSecond: 0,
      });
      const { raw, connection } = await joinRaw();
      raw.socket.pause();
      let highest = 0;
      await pingUntilEnded(raw, () => {
        highest = Math.max(highest, connection.bufferedBytes);
      });
      await vi.waitFor(() => expect(closed).toMatchObject([{ code: CLOSE_CODES["slow-consumer"] }]), WAIT);
      expect(highest).toBeLessThan(256 * 1024);
      expect(server.stats()).toMatchObject({ slowConsumersClosed: 1, connections: 0 });
    });

    it("and never reads counts towards the budget of all connections", async () => {
      const { server, joinRaw, join, closed } = await startServer({
        maxBackpressureBytes: 64 * 1024 * 1024,
        maxTotalBackpressureBytes: 1024 * 1024,
        maxControlFramesPerSecond: 0,
      });
      const reader = await join();
      const { raw, connection } = await joinRaw();
      raw.socket.pause();
      let highest = 0;
      await pingUntilEnded(raw, () => {
        highest = Math.max(highest, server.stats().bytesWaiting);
      });
      await vi.waitFor(() => expect(closed).toMatchObject([{ connection, code: CLOSE_CODES["slow-consumer"] }]), WAIT);
      expect(highest).toBeLessThan(2 * 1024 * 1024);
      expect(server.stats().limits).toEqual({ backlog: 1 });
      expect(reader.connection.open).toBe(true);
    });

    it("without end is closed with 4203 beyond the rate, and counted", async () => {
      const { server, joinRaw, join, closed } = await startServer({ maxControlFramesPerSecond: 10 });
      const { raw, connection } = await joinRaw();
      const other = await join();
      for (let sent = 0; sent < 100; sent += 1) raw.send(OPCODE.ping, Buffer.from(String(sent)));
      await vi.waitFor(() => expect(raw.closeCode).toBe(CLOSE_CODES.overloaded), WAIT);
      expect(closed).toEqual([{ connection, code: CLOSE_CODES.overloaded, reason: "too many pings and pongs" }]);
      // The pings of a burst of twice the rate are answered, and only few beyond it.
      const pongs = raw.frames.filter(({ opcode }) => opcode === OPCODE.pong);
      expect(pongs.length).toBeGreaterThanOrEqual(20);
      expect(pongs.length).toBeLessThan(30);
      expect(pongs[0]?.payload.toString()).toBe("0");
      expect(server.stats()).toMatchObject({ limits: { "control-frames": 1 }, closed: { overloaded: 1 } });
      expect(other.connection.open).toBe(true);
    });

    it("within the rate gets every pong, and stays", async () => {
      const { server, join } = await startServer({ maxControlFramesPerSecond: 10 });
      const { socket, connection } = await join();
      let pongs = 0;
      socket.on("pong", () => {
        pongs += 1;
      });
      for (let sent = 0; sent < 20; sent += 1) socket.ping();
      await vi.waitFor(() => expect(pongs).toBe(20), WAIT);
      expect([connection.open, server.stats().limits]).toEqual([true, {}]);
    });
  });

  describe("a client that sends pongs", () => {
    it("without being asked is closed with 4203 beyond the rate, and counted", async () => {
      const { server, joinRaw, pongs, closed } = await startServer({
        maxControlFramesPerSecond: 10,
        pingIntervalMs: 0,
      });
      const { raw } = await joinRaw();
      for (let sent = 0; sent < 100; sent += 1) raw.send(OPCODE.pong, Buffer.alloc(0));
      await vi.waitFor(() => expect(raw.closeCode).toBe(CLOSE_CODES.overloaded), WAIT);
      expect(closed).toMatchObject([{ code: CLOSE_CODES.overloaded }]);
      expect(pongs.length).toBeGreaterThanOrEqual(20);
      expect(pongs.length).toBeLessThan(30);
      expect(server.stats().limits).toEqual({ "control-frames": 1 });
    });

    it("in answer to pings may send one for each, however low the rate is", async () => {
      const { server, join, pongs } = await startServer({ maxControlFramesPerSecond: 1, pingIntervalMs: 100 });
      const { connection } = await join();
      await vi.waitFor(() => expect(pongs.length).toBeGreaterThan(20), WAIT);
      expect([connection.open, server.stats().limits]).toEqual([true, {}]);
    });
  });
}
