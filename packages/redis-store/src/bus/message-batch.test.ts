import fc from "fast-check";
import { expect, it } from "vitest";
import { BATCH_MESSAGES_MAX, beginsLikeBatch, decodeBatch, encodeBatch } from "./message-batch.js";

const message = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const hex = (messages: readonly Buffer[] | undefined) => messages?.map((bytes) => bytes.toString("hex"));

it("returns the messages of a batch as they were written, empty ones and batches among them", () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: BATCH_MESSAGES_MAX }), (messages) => {
      const batch = encodeBatch(messages);
      expect(beginsLikeBatch(batch)).toBe(true);
      expect(hex(decodeBatch(batch))).toEqual(hex(messages));
      expect(hex(decodeBatch(encodeBatch([batch, ...messages.slice(1)])))?.[0]).toEqual(batch.toString("hex"));
    }),
    { numRuns: 200 },
  );
});

it("writes mark and version, then each message behind its length", () => {
  const batch = encodeBatch([Buffer.from("a"), Buffer.from("bcd")]);
  expect(batch.toString("hex")).toBe("c401" + "00000001" + "61" + "00000003" + "626364");
});

it("refuses bytes of another version, without messages, with a message that passes the end, or cut off anywhere", () => {
  const batch = encodeBatch([Buffer.from("ab"), Buffer.from("c")]);
  for (let end = 0; end < batch.length; end++) {
    // The first 8 bytes are the whole first message, and thus a valid batch of one.
    if (end !== 8) expect(decodeBatch(batch.subarray(0, end)), `${end} bytes`).toBeUndefined();
  }
  for (const bytes of ["c3010000000161", "c4020000000161", "c401", "c401ffffffff61", "c40100000000ff"]) {
    expect(decodeBatch(Buffer.from(bytes, "hex")), bytes).toBeUndefined();
  }
});

it("refuses more messages than a batch may hold, so that one message of a stranger causes bounded work", () => {
  const empty = (count: number) => Buffer.concat([Buffer.from([0xc4, 1]), Buffer.alloc(4 * count)]);
  expect(decodeBatch(empty(BATCH_MESSAGES_MAX))).toHaveLength(BATCH_MESSAGES_MAX);
  expect(decodeBatch(empty(BATCH_MESSAGES_MAX + 1))).toBeUndefined();
  expect(decodeBatch(empty(2_000_000))).toBeUndefined();
});

it("never throws, and reads only what it could have written: 20,000 random bytes behind the mark", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isMarked) => {
      const given = Buffer.from(isMarked ? [0xc4, 1, 0, 0, 0, ...bytes] : bytes);
      const messages = decodeBatch(given);
      if (messages !== undefined) expect(encodeBatch(messages).equals(given)).toBe(true);
    }),
    { numRuns: 20_000 },
  );
});
