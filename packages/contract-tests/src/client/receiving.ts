import { describe, expect, it } from "vitest";
import { joined, received, type StartClient } from "./client-harness.js";

const from = { connection: "scripted-1", user: "bob" };

/** Tests of what a client does with the frames of a server. */
export function describeReceiving(start: StartClient): void {
  describe("receiving", () => {
    it("hands on the messages of its rooms, in order, whatever the data", async () => {
      const pair = await joined(start, ["lobby", "other"]);
      const data = [null, 0, "", [], { deep: { er: [1] } }, false, "\u{1f600}"];
      for (const [i, each] of data.entries()) {
        pair.connection.send({ type: "message", room: i % 2 === 0 ? "lobby" : "other", from, data: each });
      }
      expect(await received(pair, data.length)).toEqual(data);
      expect(pair.messages.map(({ room }) => room)).toEqual(data.map((_, i) => (i % 2 === 0 ? "lobby" : "other")));
    });

    it("takes a message without a sender, which is the application's own", async () => {
      const pair = await joined(start);
      pair.connection.send({ type: "message", room: "lobby", data: "from the application" });
      expect(await received(pair, 1)).toEqual(["from the application"]);
    });

    it("ignores fields and frames that it does not know", async () => {
      const pair = await joined(start);
      pair.connection.send({ type: "a-frame-of-a-later-version", room: "lobby", data: 1 });
      pair.connection.send({ type: "message", room: "lobby", from, data: "known", later: { field: true } });
      pair.connection.send({ type: "gap", room: "lobby", missed: 3, reason: "a-reason-of-a-later-version" });
      pair.connection.send({ type: "message", room: "lobby", from, data: "after" });
      expect(await received(pair, 2)).toEqual(["known", "after"]);
      expect(pair.connection.ended).toBeUndefined();
    });

    it("accepts a frame of 2 MiB", async () => {
      const pair = await joined(start);
      const data = "x".repeat(2 * 1024 * 1024 - 100);
      pair.connection.send({ type: "message", room: "lobby", from, data });
      const [taken] = await received(pair, 1);
      expect(typeof taken === "string" ? taken.length : taken).toBe(data.length);
    });

    it("answers the server's pings", async () => {
      const { connection } = await joined(start);
      connection.ping();
      await expect.poll(() => connection.pongs, { timeout: 5_000 }).toBe(1);
    });
  });
}
