import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../utf8.js";
import { historyStamp, readHistoryStamp, takesHistoryStamp } from "./history-stamp.js";

const stamped = (epoch: number, offset: number): Uint8Array =>
  encodeUtf8(`{${historyStamp({ epoch, offset })}"type":"message"}`);

describe("the stamp of a stored message", () => {
  it("is read as it was written, and leaves the frame JSON", () => {
    for (const [epoch, offset] of [
      [1, 0],
      [1, 1],
      [4_294_967_295, 17],
      [7, 999_999_999_999_999],
    ] as const) {
      const frame = stamped(epoch, offset);
      expect(readHistoryStamp(frame)).toEqual({ epoch, offset });
      expect(JSON.parse(new TextDecoder().decode(frame))).toEqual({ epoch, offset, type: "message" });
    }
  });

  it("is not seen where it is not, whatever the bytes", () => {
    const good = stamped(7, 17);
    for (let length = 0; length < good.indexOf(0x22, 22); length++) {
      expect(readHistoryStamp(good.subarray(0, length)), `${length} bytes`).toBeUndefined();
    }
    for (const text of [
      '{"offset":1,"epoch":1,"a":1}',
      '{"epoch":1,"offset":1}',
      '{"epoch":0,"offset":1,"a":1}',
      '{"epoch":-1,"offset":1,"a":1}',
      '{"epoch":1,"offset":1.5,"a":1}',
      '{"epoch":1,"offset":1234567890123456,"a":1}',
      '{ "epoch":1,"offset":1,"a":1}',
      '{"epoch":,"offset":1,"a":1}',
    ]) {
      expect(readHistoryStamp(encodeUtf8(text)), text).toBeUndefined();
    }
  });

  it("fits into objects that have a field, and into nothing else", () => {
    expect(takesHistoryStamp(encodeUtf8('{"a":1}'))).toBe(true);
    for (const text of ["", "{", "{}", "[1]", '"a"', " {}", "1"]) {
      expect(takesHistoryStamp(encodeUtf8(text)), text).toBe(false);
    }
  });
});
