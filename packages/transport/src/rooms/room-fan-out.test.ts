import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { RoomFrame } from "./lane.js";
import { RoomFanOut, type RoomFanOutOptions } from "./room-fan-out.js";
import type { RoomWindow } from "./room-window.js";

const KIB = 1024;
/** Bytes that one turn writes, counting each copy, before the last frame. */
const TURN_BYTES = 4 * KIB * KIB;

/** A member of rooms that records the numbers of the frames that it gets, by room. */
class Member {
  readonly id: string;
  readonly #rooms: FakeRooms;
  readonly lanes = new Map<string, number>();
  /** Frames that were sent to each room while the member was in it. */
  readonly due = new Map<string, number[]>();
  readonly got = new Map<string, number[]>();

  constructor(id: string, rooms: FakeRooms) {
    this.id = id;
    this.#rooms = rooms;
  }

  send(frame: Uint8Array): void {
    const { name, number } = this.#rooms.read(frame);
    this.#rooms.written += frame.byteLength;
    this.got.get(name)?.push(number);
    this.#rooms.afterWrite();
  }

  /** What the member should have got of a room, and what it got. */
  of(name: string): { readonly due: readonly number[]; readonly got: readonly number[] } {
    return { due: this.due.get(name) ?? [], got: this.got.get(name) ?? [] };
  }
}

/** Rooms as the transports manage them, and the sockets of their members. */
class FakeRooms {
  readonly fanOut: RoomFanOut;
  readonly #lanes = new Map<string, Set<Member>>();
  readonly #sending = new Set<string>();
  /** Room and size of each frame by its number. */
  readonly frames: { readonly name: string; readonly size: number; readonly except: readonly string[] }[] = [];
  /** Bytes written so far, counting each copy. */
  written = 0;
  /** Called after each write to a member. */
  afterWrite: () => void = () => undefined;

  constructor(options: Partial<RoomFanOutOptions> = {}) {
    this.fanOut = new RoomFanOut({
      roomWindowMs: 0,
      roomWindows: [],
      maxMembersPerTurn: 10,
      maxHeldBytes: () => 1024 * KIB,
      ...options,
      sockets: {
        members: (name, lane) => this.#of(name, lane).size,
        publish: (name, lane, frames) => this.#publish(name, lane, frames),
      },
    });
  }

  read(frame: Uint8Array): { readonly name: string; readonly number: number } {
    const number = Buffer.from(frame.buffer, frame.byteOffset).readUInt32BE();
    const known = this.frames[number];
    if (known === undefined || known.size !== frame.byteLength) throw new Error("The frame is not as it was sent.");
    return { name: known.name, number };
  }

  toRoom(name: string, size: number, except: readonly string[] = []): void {
    const number = this.frames.push({ name, size, except }) - 1;
    const frame = Buffer.alloc(size);
    frame.writeUInt32BE(number);
    for (const member of this.membersOf(name)) if (!except.includes(member.id)) member.due.get(name)?.push(number);
    this.fanOut.toRoom(name, frame, except);
    // The bytes are only valid during the call.
    frame.fill(255);
  }

  enter(member: Member, name: string): void {
    if (member.lanes.has(name)) return;
    const lane = this.fanOut.laneToEnter(name);
    if (member.lanes.has(name)) return;
    this.#lanes.set(`${lane}:${name}`, this.#of(name, lane).add(member));
    member.lanes.set(name, lane);
    member.due.set(name, []);
    member.got.set(name, []);
  }

  /** Removes a member from a room, and checks what it got. */
  leave(member: Member, name: string): void {
    const lane = member.lanes.get(name);
    if (lane === undefined) return;
    const isSending = this.#sending.has(`${lane}:${name}`);
    this.fanOut.flushFor(member, name, lane);
    if (member.lanes.get(name) !== lane) return;
    const { due, got } = member.of(name);
    // A member that leaves while its room is written to may miss the last frames.
    expect(got).toEqual(isSending ? due.slice(0, got.length) : due);
    this.#remove(member, name, lane);
  }

  /** Removes a member whose socket was cut. `emptied` is called only later if `isLate`. */
  cut(member: Member, isLate = false): void {
    for (const [name, lane] of [...member.lanes]) {
      const { due, got } = member.of(name);
      expect(got).toEqual(due.slice(0, got.length));
      this.#remove(member, name, lane, isLate);
    }
  }

  *membersOf(name: string): Iterable<Member> {
    for (const [key, members] of this.#lanes) if (key.endsWith(`:${name}`)) yield* members;
  }

  /** Bytes of the room's frames that a member in it has not got yet. */
  heldFor(member: Member, name: string): number {
    const { due, got } = member.of(name);
    return due.slice(got.length).reduce((sum, number) => sum + (this.frames[number]?.size ?? 0), 0);
  }

  #of(name: string, lane: number): Set<Member> {
    return this.#lanes.get(`${lane}:${name}`) ?? new Set();
  }

  #publish(name: string, lane: number, frames: readonly RoomFrame[]): void {
    const key = `${lane}:${name}`;
    expect(this.#sending.has(key)).toBe(false);
    this.#sending.add(key);
    for (const member of this.#of(name, lane)) {
      for (const { bytes, except } of frames) {
        if (member.lanes.get(name) === lane && !except.includes(member.id)) member.send(bytes);
      }
    }
    this.#sending.delete(key);
  }

  #remove(member: Member, name: string, lane: number, isLate = false): void {
    const members = this.#of(name, lane);
    members.delete(member);
    member.lanes.delete(name);
    if (members.size > 0) return;
    this.#lanes.delete(`${lane}:${name}`);
    if (isLate) setTimeout(() => this.fanOut.left(name, lane), 1);
    else this.fanOut.emptied(name, lane);
  }
}

function enterAll(rooms: FakeRooms, name: string, count: number): Member[] {
  return Array.from({ length: count }, (_, index) => {
    const member = new Member(String(index), rooms);
    rooms.enter(member, name);
    return member;
  });
}

/** A generator of numbers from 0 to less than 1 that are the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const ROOMS = ["hall", "yard", "den"] as const;

interface Course {
  readonly roomWindowMs: RoomWindow;
  readonly maxMembersPerTurn: number;
  readonly heldMax: number;
  readonly largest: number;
  /** Probability that a write calls a handler that acts. */
  readonly reacts: number;
}

/** Lets members enter, leave and send in a random order, and checks what they get and how much a turn writes. */
function run(seed: number, steps: number): void {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const course: Course = {
    roomWindowMs: pick([0, 0, 5, 100, "auto"] as const),
    maxMembersPerTurn: pick([2, 5, 20]),
    heldMax: pick([16, 64, 1024]) * KIB,
    largest: pick([100, 5_000, 100_000]),
    reacts: pick([0, 0, 0.002, 0.02]),
  };
  const rooms = new FakeRooms({ ...course, maxHeldBytes: () => course.heldMax });
  const { fanOut } = rooms;
  const members = Array.from({ length: 45 }, (_, index) => new Member(String(index), rooms));
  const send = (): void => {
    const size = 4 + Math.floor(random() * (random() < 0.5 ? 100 : course.largest));
    rooms.toRoom(pick(ROOMS), size, random() < 0.2 ? [pick(members).id, pick(members).id] : []);
  };
  const act = (): void => {
    const chance = random();
    if (chance < 0.5) send();
    else if (chance < 0.75) rooms.enter(pick(members), pick(ROOMS));
    else if (chance < 0.95) rooms.leave(pick(members), pick(ROOMS));
    else rooms.cut(pick(members), random() < 0.5);
  };
  let depth = 0;
  rooms.afterWrite = () => {
    if (depth > 2 || random() >= course.reacts) return;
    depth += 1;
    act();
    depth -= 1;
  };
  const turn = (): void => {
    const before = rooms.written;
    vi.advanceTimersToNextTimer();
    // The last write is of one frame for each member of a lane.
    const bound = TURN_BYTES + course.maxMembersPerTurn * (course.largest + 4);
    if (course.reacts === 0) expect(rooms.written - before).toBeLessThanOrEqual(bound);
  };
  for (let step = 0; step < steps; step += 1) {
    if (random() < 0.15) turn();
    else act();
    let isHeld = false;
    for (const member of members) {
      for (const name of member.lanes.keys()) {
        const held = rooms.heldFor(member, name);
        isHeld ||= held > 0;
        if (course.reacts === 0) expect(held).toBeLessThan(Math.max(course.heldMax, 16 * KIB));
      }
    }
    if (isHeld) expect(fanOut.holds).toBe(true);
  }
  vi.runAllTimers();
  rooms.afterWrite = () => undefined;
  expect(fanOut.holds).toBe(false);
  for (const member of members) for (const name of [...member.lanes.keys()]) rooms.leave(member, name);
  expect(fanOut.holds).toBe(false);
  fanOut.stop();
}

it("sends each member the frames sent while it is in the room, in order and once, whatever happens meanwhile", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    try {
      run(seed, 250);
    } catch (cause) {
      throw new Error(`The run with seed ${seed} failed.`, { cause });
    }
  }
});

it("lets no member enter a lane that is removed because all connections in it have closed", () => {
  const rooms = new FakeRooms();
  const members = enterAll(rooms, "hall", 13);
  // The first lane is written to at once, the second one in the next turn.
  rooms.toRoom("hall", 100);
  for (const member of members.slice(10)) rooms.cut(member, true);
  const late = new Member("late", rooms);
  rooms.enter(late, "hall");
  rooms.toRoom("hall", 100);
  vi.runAllTimers();
  expect(late.of("hall")).toEqual({ due: [1], got: [1] });
});

it("holds back no more than a lane may, even if large frames follow small ones", () => {
  const rooms = new FakeRooms({ maxMembersPerTurn: 200 });
  const [member] = enterAll(rooms, "hall", 201);
  for (let index = 0; index < 900; index += 1) rooms.toRoom("hall", 1_000);
  for (let index = 0; index < 20; index += 1) {
    rooms.toRoom("hall", 100_000);
    expect(member && rooms.heldFor(member, "hall")).toBeLessThan(1024 * KIB);
  }
});

it("writes a lane in portions also after the room's other lanes are gone", () => {
  const rooms = new FakeRooms({ maxMembersPerTurn: 100 });
  const members = enterAll(rooms, "hall", 101);
  for (let index = 0; index < 60; index += 1) rooms.toRoom("hall", 16_000);
  const [last] = members.slice(100);
  if (last !== undefined) rooms.leave(last, "hall");
  const before = rooms.written;
  rooms.toRoom("hall", 100);
  expect(rooms.written - before).toBeLessThanOrEqual(TURN_BYTES + 100 * 16_000);
  vi.runAllTimers();
  for (const member of members.slice(0, 100)) expect(member.of("hall").got).toHaveLength(61);
});

it("sends each member a frame before those that a handler sends during its write", () => {
  const rooms = new FakeRooms();
  const members = enterAll(rooms, "hall", 25);
  rooms.toRoom("hall", 100);
  let late: Member | undefined;
  rooms.afterWrite = () => {
    rooms.afterWrite = () => undefined;
    rooms.toRoom("hall", 100);
    late = new Member("late", rooms);
    rooms.enter(late, "hall");
  };
  // So many frames that one has to be written before the turn of its lane has come.
  for (let index = 1; late === undefined; index += 1) {
    expect(index).toBeLessThan(2_000);
    rooms.toRoom("hall", 100);
  }
  vi.runAllTimers();
  const numbers = rooms.frames.map((_, index) => index);
  for (const member of members) expect(member.of("hall").got).toEqual(numbers);
  expect(late.of("hall").got).toEqual([]);
});
