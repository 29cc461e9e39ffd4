import type { ConnectionRecord } from "@cm/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { connectionIdOf, decodeJoinedRoom, decodeRecord, encodeRecord, fieldOf } from "./connection-record-codec.js";

const ID = "gw-1.ab128zz";
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).filter((text) => text.isWellFormed());
const time = fc.integer({ min: 0, max: 2 ** 45 });

it("reads what it wrote", () => {
  const record = fc.record({
    userId: name,
    connectedAt: time,
    lastSeen: time,
    rooms: fc.array(name, { maxLength: 8 }),
  });
  fc.assert(
    fc.property(record, (fields) => {
      const written: ConnectionRecord = { connectionId: ID, ...fields };
      const joined = written.rooms.map((room, i) => ({ field: fieldOf(ID), room, order: String(i) }));
      expect(decodeRecord(ID, encodeRecord(written), joined)).toEqual(written);
    }),
  );
});

it("reads the rooms of a record in the order in which the connection came into them", () => {
  const joined = ["ab128zz|04late0000000000009", "ab128zz|05early0000000000001"].flatMap(
    (e) => decodeJoinedRoom(e) ?? [],
  );
  expect(decodeRecord(ID, '["u","0","0"]', joined)?.rooms).toEqual(["early", "late"]);
});

it("rejects anything else as a record's room", () => {
  for (const entry of ["", "ab128zz", "|01a0000000000001", "ab128zz|000000000001"]) {
    expect(decodeJoinedRoom(entry), entry).toBeUndefined();
  }
});

it("keeps the usual record within the 64 bytes up to which Redis packs a hash", () => {
  const text = encodeRecord({
    connectionId: ID,
    userId: "user-1234567",
    connectedAt: 1_790_000_000_000,
    lastSeen: 1_790_003_600_000,
  });
  expect(text).toBe('["user-1234567","mubbs7i8","255s0"]');
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(64);
});

it("rejects anything else as a record", () => {
  for (const text of ["", "x", "{}", "[]", '["u"]', '["u","1"]', '["u",1,2]', '["u","!","0"]', "null"]) {
    expect(decodeRecord(ID, text, []), text).toBeUndefined();
  }
  fc.assert(fc.property(fc.string(), (text) => void decodeRecord(ID, text, [])));
});

it("takes the server id off a connection id, and puts it back", () => {
  expect(fieldOf(ID)).toBe("ab128zz");
  expect(connectionIdOf("gw-1", "ab128zz")).toBe(ID);
  expect(connectionIdOf("gw-1", "not an id")).toBeUndefined();
});
