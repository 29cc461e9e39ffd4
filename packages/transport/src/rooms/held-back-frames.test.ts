import { expect, it, onTestFinished } from "vitest";
import { RoomFanOut } from "./room-fan-out.js";

/** A fan-out to rooms of one member each, whose windows outlast the test. Records the frames written per room. */
function fanOut() {
  const written = new Map<string, number[]>();
  const rooms = new RoomFanOut({
    sockets: {
      members: () => 1,
      publish: (room, _, frames) => {
        const before = written.get(room) ?? [];
        written.set(room, [...before, ...frames.map(({ bytes }) => bytes[0] ?? -1)]);
      },
    },
    roomWindowMs: 60_000,
    roomWindows: [],
    maxMembersPerTurn: 1_000,
    maxHeldBytes: () => Number.POSITIVE_INFINITY,
  });
  onTestFinished(() => rooms.stop());
  const send = (room: string, n: number, size = 1): void => rooms.toRoom(room, Buffer.alloc(size, n), []);
  return { rooms, written, send };
}

it("messages within a room's window are held back and written together, in order, before a member enters", () => {
  const { rooms, written, send } = fanOut();
  for (let n = 0; n < 5; n++) send("chat", n);
  expect(written.get("chat")).toEqual([0]);
  expect(rooms.holds).toBe(true);
  // Four frames of one byte, each with the memory that it takes besides.
  expect(rooms.heldBytes).toBe(4 * 65);
  expect(rooms.laneToEnter("chat")).toBe(0);
  expect(written.get("chat")).toEqual([0, 1, 2, 3, 4]);
  expect(rooms.holds).toBe(false);
  expect(rooms.heldBytes).toBe(0);
});

it("rooms that together hold back more than 64 MiB are written to until they hold less", () => {
  const { rooms, written, send } = fanOut();
  const names = Array.from({ length: 5_000 }, (_, i) => `room-${i}`);
  // Less than the 16 KiB that are written at once; the second frame of each room is held back, 75 MB in total.
  const size = 15_000;
  for (let n = 0; n < 2; n++) for (const name of names) send(name, n, size);
  const held = names.filter((name) => written.get(name)?.length === 1).length * size;
  expect(held).toBeLessThanOrEqual(64 * 1024 * 1024);
  expect(held).toBeGreaterThan(60 * 1024 * 1024);
  for (const name of names) rooms.laneToEnter(name);
  for (const name of names) expect(written.get(name)).toEqual([0, 1]);
  expect(rooms.holds).toBe(false);
});
