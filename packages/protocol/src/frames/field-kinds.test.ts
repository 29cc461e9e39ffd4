import { expect, it } from "vitest";
import { required } from "./field-description.js";
import { integer, readableObject, roomName } from "./field-kinds.js";

const seat = readableObject("Seat", { room: required(roomName), row: required(integer(1)) }, "A seat in a room.");

it("an object is refused with the code of a field's kind, if the kind has codes of its own", () => {
  expect(seat.hasOwnCodes).toBe(true);
  expect(seat.read({ room: "lobby", row: 1, more: true })).toEqual({ room: "lobby", row: 1 });
  expect(seat.read({ room: "", row: 1 })).toMatchObject({ code: "name-invalid" });
});

it("an object of the wrong shape is invalid, whatever the codes of its fields", () => {
  for (const value of [null, [], "lobby", { room: "lobby" }, { room: "", row: 0 }]) {
    expect(seat.read(value)).toBeUndefined();
  }
});
