import { encodeUtf8, historyStamp } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { conflationKeyOf, type SlowReaderRules, slowReadersOf } from "./slow-reader-policy.js";

const NONE: SlowReaderRules = {
  slowReaderPolicy: undefined,
  slowReaderDropRooms: [],
  slowReaderLatestRooms: [],
  slowReaderBytes: undefined,
};

describe("the policy of a room for slow readers", () => {
  it("is not looked up if no room has a configured policy", () => {
    expect(slowReadersOf(NONE)).toBeUndefined();
  });

  it("is that of the longest prefix, and the application's hook takes precedence", () => {
    const rules = { ...NONE, slowReaderDropRooms: ["", "pos:log"], slowReaderLatestRooms: ["pos:"] };
    const policyOf = slowReadersOf(rules)?.policyOf;
    expect(["chat", "pos:1", "pos:log:1"].map((room) => policyOf?.(room))).toEqual(["drop", "latest", "drop"]);
    const asked = slowReadersOf({ ...rules, slowReaderPolicy: (room) => (room === "chat" ? "close" : undefined) });
    expect(["chat", "pos:1"].map((room) => asked?.policyOf(room))).toEqual(["close", "latest"]);
    expect(slowReadersOf({ ...NONE, slowReaderLatestRooms: ["pos:"] })?.policyOf("chat")).toBe("close");
  });
});

describe("the conflation key of a message", () => {
  const frame = (fields: object, stamp = ""): Uint8Array =>
    encodeUtf8(`{${stamp}${JSON.stringify({ type: "message", ...fields }).slice(1)}`);
  const ann = { connection: "gw.aaaa00", user: 'a","data":' };
  const keyOf = (fields: object, stamp?: string): string => conflationKeyOf(frame(fields, stamp));

  it("is its sender and the sender's key, whatever its data and its place in the history", () => {
    const base = keyOf({ room: "r", from: ann, data: 1 });
    expect(base).not.toBe("");
    expect(keyOf({ room: "r", from: ann, data: { data: [2] } })).toBe(base);
    expect(keyOf({ room: "r", from: ann, data: 3 }, historyStamp({ epoch: 7, offset: 8 }))).toBe(base);
    expect(keyOf({ room: "r", from: ann, key: "p", data: 1 })).not.toBe(base);
    expect(keyOf({ room: "r", from: ann, key: "p", data: 2 })).toBe(keyOf({ room: "r", from: ann, key: "p", data: 1 }));
    expect(keyOf({ room: "r", from: { ...ann, connection: "gw.aaaa01" }, data: 1 })).not.toBe(base);
  });

  it("is one and the same for frames that are no messages of clients", () => {
    expect([keyOf({ room: "r" }), conflationKeyOf(encodeUtf8("1")), conflationKeyOf(new Uint8Array())]).toEqual([
      "",
      "",
      "",
    ]);
  });
});
