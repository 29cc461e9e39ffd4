import { describe, expect, it } from "vitest";
import { joined, type StartClient } from "./client-harness.js";
import { answerAll, type Script } from "./scripted-server.js";

/** Answers everything but publishes. */
const keepPublishes: Script = (connection, frame) => {
  if (frame.type !== "publish") answerAll(connection, frame);
};

/** Tests of how answers belong to requests. */
export function describeRequests(start: StartClient): void {
  describe("requests", () => {
    it("resolve with their own answer, in whatever order the answers come", async () => {
      const { server, client, connection } = await joined(start);
      server.script = keepPublishes;
      const settled: number[] = [];
      const calls = [1, 2, 3].map((data) => client.publish("lobby", data).then(() => settled.push(data)));
      const [first, second, third] = await connection.until("publish", 3);
      for (const frame of [third, first]) connection.send({ type: "ack", ref: frame?.ref });
      await expect.poll(() => settled, { timeout: 5_000 }).toEqual([3, 1]);
      connection.send({ type: "ack", ref: second?.ref });
      await Promise.all(calls);
      expect(settled).toEqual([3, 1, 2]);
    });

    it("reject with an error of theirs, and leave the others alone", async () => {
      const { server, client, connection } = await joined(start);
      server.script = keepPublishes;
      const refused = client.publish("lobby", "refused");
      const accepted = client.publish("lobby", "accepted");
      const [first, second] = await connection.until("publish", 2);
      const error = { type: "error", code: "a-code-of-a-later-version", message: "No.", retryable: false };
      connection.send({ ...error, ref: first?.ref });
      connection.send({ type: "ack", ref: second?.ref });
      await expect(refused).rejects.toBeDefined();
      await accepted;
      expect(connection.ended).toBeUndefined();
    });

    it("use refs that are not in use", async () => {
      const { server, client, connection } = await joined(start);
      server.script = keepPublishes;
      const calls = Array.from({ length: 50 }, (_, i) => client.publish("lobby", i));
      const refs = (await connection.until("publish", 50)).map(({ ref }) => ref);
      expect(new Set(refs).size).toBe(50);
      for (const ref of refs) connection.send({ type: "ack", ref });
      await Promise.all(calls);
    });

    it("reject if the connection ends before the answer, instead of waiting for good", async () => {
      const { server, client, connection } = await joined(start);
      server.script = keepPublishes;
      const call = client.publish("lobby", "lost").then(
        () => "resolved",
        () => "rejected",
      );
      await connection.until("publish");
      connection.end(1006);
      expect(await call).toBe("rejected");
    });

    it("stay unharmed by an error without a ref, and by an answer that nobody asked for", async () => {
      const { client, connection } = await joined(start);
      connection.send({ type: "error", code: "rate-limited", message: "Slower.", retryable: true });
      connection.send({ type: "ack", ref: "nobody asked" });
      await client.publish("lobby", "still here");
      expect(connection.ended).toBeUndefined();
    });
  });
}
