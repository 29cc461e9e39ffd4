import { CLIENT_PROTOCOL_VERSION, SUBPROTOCOL } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { joined, type StartClient, startClient, startServer } from "./client-harness.js";
import { answerAll } from "./scripted-server.js";

/** Tests of the beginning and the end of a connection. */
export function describeHandshake(start: StartClient): void {
  describe("the handshake", () => {
    it("offers the subprotocol, and begins with hello and its version", async () => {
      const { connection } = await joined(start);
      expect(connection.offered).toContain(SUBPROTOCOL);
      expect(connection.frames[0]).toMatchObject({ type: "hello", version: CLIENT_PROTOCOL_VERSION });
      expect(connection.of("hello")).toHaveLength(1);
    });

    it("sends nothing but text frames with a JSON object each", async () => {
      const { client, connection } = await joined(start);
      await client.publish("lobby", { text: '\u{1f600} "quoted"\n', list: [1, null, true] });
      expect(connection.unreadable).toEqual([]);
      expect(connection.of("publish")).toMatchObject([
        { room: "lobby", data: { text: '\u{1f600} "quoted"\n', list: [1, null, true] } },
      ]);
    });

    it("joins each of its rooms once, with a ref of its own", async () => {
      const rooms = ["lobby", 'a room of "quotes"', "\u{1f600}"];
      const { connection } = await joined(start, rooms);
      const joins = connection.of("join");
      expect(joins.map(({ room }) => room)).toEqual(rooms);
      const refs = joins.map(({ ref }) => ref);
      expect(new Set(refs).size).toBe(rooms.length);
      expect(refs).not.toContain(undefined);
    });

    it("waits with its requests until it has sent hello, however late the welcome comes", async () => {
      const server = await startServer();
      server.script = (connection, frame) => {
        if (frame.type !== "hello") answerAll(connection, frame);
        else setTimeout(() => answerAll(connection, frame), 300);
      };
      await startClient(start, server);
      const connection = await server.connection(0);
      await connection.until("join");
      expect(connection.frames[0]?.type).toBe("hello");
    });

    it("closes with 1000, and stays away", async () => {
      const { server, client, connection } = await joined(start);
      await client.close();
      await expect.poll(() => connection.ended?.code, { timeout: 5_000 }).toBe(1_000);
      await new Promise((resolve) => setTimeout(resolve, 800));
      expect(server.attempts).toHaveLength(1);
    });
  });
}
