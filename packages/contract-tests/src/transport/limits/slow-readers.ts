import { CLOSE_CODES } from "@cm/protocol";
import { describe, expect, it, vi } from "vitest";
import type { RawClient } from "../raw-client.js";
import { bytes, type CreateTransport, serverStarter, turn, WAIT } from "../transport-harness.js";

/** A frame with a number and the given length. */
function numbered(number: number, length: number): Uint8Array {
  return bytes(`${number}:`.padEnd(length, "x"));
}

/** Checks that the received numbers are 0, 1, 2 and so on. Returns how many there are. */
function expectPrefix(raw: RawClient): number {
  const numbers = raw.texts.map((text) => Number.parseInt(text, 10));
  expect(numbers).toEqual(numbers.map((_, index) => index));
  return numbers.length;
}

export function describeSlowReaders(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("a client that stops reading", () => {
    it.each([
      ["small frames", [200]],
      ["frames around the native queue's limit of 16 KiB", [200, 16_000, 16_384, 40_000]],
      ["large frames", [60_000]],
    ])("gets an exact prefix of %s, published and sent, and is then cut", async (_, lengths) => {
      const { server, joinRaw, join, closed } = await startServer({ maxBackpressureBytes: 128 * 1024 });
      const { raw, connection } = await joinRaw();
      const reader = await join();
      connection.enter("room");
      reader.connection.enter("room");
      raw.socket.pause();
      let count = 0;
      let sent = 0;
      let published = 0;
      let highest = 0;
      while (connection.open) {
        const frame = numbered(count, lengths[count % lengths.length] ?? 0);
        count += 1;
        if (count % 3 === 0) {
          connection.send(frame);
          sent += 1;
        } else {
          server.toRoom("room", frame, []);
          published += 1;
        }
        highest = Math.max(highest, connection.bufferedBytes);
        if (count % 500 === 0) await turn();
        // The kernel buffers some megabytes before the server has to.
        expect(count * 200).toBeLessThan(200_000_000);
      }
      // Frames sent after the connection was cut must not reach the client, even if there is space again.
      raw.socket.resume();
      for (let more = 0; more < 1000; more += 1) {
        server.toRoom("room", numbered(count + more, 200), []);
        expect(connection.send("too late")).toBe(false);
        if (more % 100 === 0) await turn();
      }
      await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
      const received = expectPrefix(raw);
      expect(received).toBeGreaterThan(0);
      expect(received).toBeLessThan(count);
      expect(highest).toBeLessThanOrEqual(2 * 256 * 1024 + 1024 * 1024);
      expect(closed).toEqual([{ connection, code: CLOSE_CODES["slow-consumer"], reason: "slow-consumer" }]);
      expect(server.stats()).toMatchObject({ slowConsumersClosed: 1, connections: 1 });
      expect(server.stats().bytesDiscarded).toBeGreaterThan(128 * 1024);
      // The reader that keeps up lost nothing.
      await vi.waitFor(() => expect(reader.texts).toHaveLength(published + 1000), WAIT);
      expect(sent).toBeGreaterThan(0);
    });

    it("gets a stream without a gap when it reads now and then, until it is cut", async () => {
      const { server, joinRaw } = await startServer({ maxBackpressureBytes: 64 * 1024 });
      const clients = [await joinRaw(), await joinRaw(), await joinRaw()];
      for (const { connection } of clients) connection.enter("room");
      let count = 0;
      // Each client has its own rhythm, so that the kernel's buffers fill and empty at irregular times.
      for (let round = 0; round < 4_000 && clients.some(({ connection }) => connection.open); round += 1) {
        for (const [index, { raw }] of clients.entries()) {
          if (round % (7 + 4 * index) === 0) raw.socket.pause();
          if (round % (40 + 13 * index) === 0) raw.socket.resume();
        }
        for (let burst = 0; burst < 40; burst += 1) {
          if (burst % 4 === 0) {
            // Every fourth message goes to each connection directly, to check its order among the room's frames.
            for (const { connection } of clients) connection.send(numbered(count, 3_000));
          } else {
            server.toRoom("room", numbered(count, burst % 8 === 1 ? 17_000 : 2_000), []);
          }
          count += 1;
        }
        await turn();
      }
      server.toRoom("room", bytes(`${count}:last`), []);
      for (const { raw } of clients) raw.socket.resume();
      const survivors = clients.filter(({ connection }) => connection.open);
      for (const { raw } of survivors) await vi.waitFor(() => expect(raw.texts.at(-1)).toBe(`${count}:last`), WAIT);
      for (const { raw } of clients) expect(expectPrefix(raw)).toBeGreaterThan(0);
      expect(server.stats().slowConsumersClosed).toBe(clients.length - survivors.length);
      expect(server.stats().slowConsumersClosed).toBeGreaterThan(0);
    });

    it("is cut before the others if it has the largest backlog, once all of them are over their budget", async () => {
      const { server, joinRaw, join, closed } = await startServer({
        maxBackpressureBytes: 64 * 1024 * 1024,
        maxTotalBackpressureBytes: 4 * 1024 * 1024,
      });
      const clients = [await joinRaw(), await joinRaw(), await joinRaw()];
      const [most, more, least] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]];
      const reader = await join();
      const waits = async (client: typeof most, bytes: number): Promise<void> => {
        client.raw.socket.pause();
        while (client.connection.bufferedBytes < bytes) {
          client.connection.send("x".repeat(10_000));
          await turn();
        }
      };
      await waits(least, 100_000);
      await waits(more, 500_000);
      await waits(most, 1_000_000);
      expect(server.stats().bytesWaiting).toBeGreaterThan(1_600_000);
      for (const { connection } of [...clients, reader]) connection.enter("room");
      let published = 0;
      while (closed.length === 0) {
        server.toRoom("room", bytes("y".repeat(10_000)), []);
        published += 1;
        expect(published).toBeLessThan(10_000);
        await turn();
      }
      expect(closed).toMatchObject([{ connection: most.connection, code: CLOSE_CODES["slow-consumer"] }]);
      expect(server.stats()).toMatchObject({ slowConsumersClosed: 1, limits: { backlog: 1 } });
      expect(server.stats().bytesWaiting).toBeLessThan(4 * 1024 * 1024);
      // The bound is the connection's part of the budget, a sixteenth of that part, and the frames that were
      // in transit.
      expect(server.stats().bytesDiscarded).toBeLessThan(2_500_000);
      await vi.waitFor(() => expect(reader.texts).toHaveLength(published), WAIT);
    });

    it("is cut by direct sends alone, soon after the limit", async () => {
      const { server, joinRaw, closed } = await startServer({ maxBackpressureBytes: 64 * 1024 });
      const { raw, connection } = await joinRaw();
      raw.socket.pause();
      let count = 0;
      let highest = 0;
      while (connection.send(numbered(count, 1_000))) {
        highest = Math.max(highest, connection.bufferedBytes);
        count += 1;
      }
      expect(highest).toBeLessThanOrEqual(64 * 1024);
      expect(closed).toMatchObject([{ code: CLOSE_CODES["slow-consumer"] }]);
      raw.socket.resume();
      await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
      expect(expectPrefix(raw)).toBeLessThanOrEqual(count);
      expect(server.stats().slowConsumersClosed).toBe(1);
    });

    it("counts each of many once, and lets close handlers publish meanwhile", async () => {
      const { server, joinRaw, closed } = await startServer(
        { maxBackpressureBytes: 64 * 1024 },
        { closed: (connection) => server.toRoom("room", bytes(`${connection.id} left`), []) },
      );
      const clients = [];
      for (let index = 0; index < 10; index += 1) clients.push(await joinRaw());
      for (const { raw, connection } of clients) {
        raw.socket.pause();
        connection.enter("room");
      }
      const frame = numbered(0, 10_000);
      for (let round = 0; closed.length < clients.length; round += 1) {
        expect(round).toBeLessThan(10_000);
        server.toRoom("room", frame, []);
        if (round % 20 === 0) await turn();
      }
      expect(server.stats()).toMatchObject({ slowConsumersClosed: 10, connections: 0, topics: 0, users: 0 });
      expect(new Set(closed.map(({ connection }) => connection)).size).toBe(10);
    });

    it("gets a close frame from the server if little waits for it, and none if much does", async () => {
      const { joinRaw } = await startServer({ maxBackpressureBytes: 1024 * 1024 });
      for (const [waiting, code] of [
        [100 * 1024, undefined],
        [10 * 1024, CLOSE_CODES.terminated],
      ] as const) {
        const { raw, connection } = await joinRaw();
        raw.socket.pause();
        while (connection.bufferedBytes < waiting) connection.send("x".repeat(5_000));
        connection.close("terminated");
        raw.socket.resume();
        await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
        expect(raw.closeCode).toBe(code);
      }
    });
  });
}
