import { expect, test } from "vitest";
import { PAYLOAD_MIN_BYTES, PayloadReader, type PayloadStamp, PayloadWriter } from "./stamped-payload.js";

function empty(): PayloadStamp {
  return { run: 0, publisher: 0, sequence: 0, dueAtUs: 0 };
}

test("A stamp is read back wherever it lies in a frame", () => {
  const reader = new PayloadReader();
  const payload = new PayloadWriter(0xbeef, 200).write(19_999, 123_456_789, 4_200_000_000);
  for (const frame of [`{"type":"message","room":"r","data":"${payload}"}`, `42["message","${payload}"]`, payload]) {
    const bytes = Buffer.from(`before${frame}~cm~after`);
    const stamp = empty();
    expect(reader.read(bytes, 6, 6 + frame.length, stamp)).toBe(true);
    expect(stamp).toEqual({ run: 0xbeef, publisher: 19_999, sequence: 123_456_789, dueAtUs: 4_200_000_000 });
  }
});

test("A frame without a stamp is detected, even if another frame follows it in the chunk", () => {
  const payload = new PayloadWriter(1, 200).write(2, 3, 4);
  const ack = `{"type":"ack","ref":17}`;
  const reader = new PayloadReader();
  expect(reader.read(Buffer.from(ack + payload), 0, ack.length, empty())).toBe(false);
  expect(reader.read(Buffer.from("~cm~cut"), 0, 7, empty())).toBe(false);
});

test.each([PAYLOAD_MIN_BYTES, 63, 64, 200, 65_536])("A payload of %i bytes is that long as JSON", (bytes) => {
  const payload = new PayloadWriter(7, bytes).write(1, 2, 3);
  expect(Buffer.byteLength(JSON.stringify(payload))).toBe(bytes);
});
