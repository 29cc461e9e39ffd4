import { createMemoryStore } from "@cm/memory-store";
import {
  createConnectionIdSource,
  GAME_STATES,
  GAME_TRANSITIONS,
  type GameState,
  type RoomRecords,
} from "@cm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { codeOf } from "../../error-code.fixture.js";
import { encodeNewGameRecord } from "./game-record-codec.js";
import { GameSessionStore } from "./game-session-store.js";

/** The transitions that lead from a new game to each state. */
const WAY_TO: Readonly<Record<GameState, readonly GameState[]>> = {
  waiting: [],
  active: ["active"],
  paused: ["active", "paused"],
  completed: ["completed"],
};

/**
 * Creates a `GameSessionStore` on a memory store, and records the names of its calls; `before` runs before each
 * call.
 */
async function start(before: (call: string, roomRecords: RoomRecords) => Promise<unknown> = async () => undefined) {
  const store = createMemoryStore();
  onTestFinished(() => store.close());
  await store.start();
  const { roomRecords } = store;
  const ids = createConnectionIdSource({ serverId: "a" });
  const registration = {
    serverId: "a",
    incarnation: ids.incarnation,
    partitionBits: ids.partitionBits,
    host: "127.0.0.1",
    port: 1,
  };
  const lease = await store.servers.acquire(registration, 60_000);
  const member = { connectionId: ids.next(), userId: "ann" };
  const calls: string[] = [];
  const told = async (call: string): Promise<void> => {
    await before(call, roomRecords);
    calls.push(call);
  };
  const records = new GameSessionStore({
    roomRecords: {
      ...roomRecords,
      get: async (room) => {
        await told("get");
        return roomRecords.get(room);
      },
      compareAndSet: async (room, version, value) => {
        await told("compareAndSet");
        return roomRecords.compareAndSet(room, version, value);
      },
    },
    isPlayed: () => true,
    onError: (error) => {
      throw error;
    },
  });
  return {
    records,
    roomRecords,
    join: (game: string, record = encodeNewGameRecord("a")) => store.rooms.join(lease, game, [member], { record }),
    leave: (game: string) => store.rooms.leave(lease, game, [member]),
    state: async (game: string) => (await records.get(game))?.state,
    /** Returns the result code of a call, followed by the store calls that it made. */
    costOf: async (call: () => Promise<unknown>) => {
      calls.length = 0;
      const code = await codeOf(call);
      return [code, ...calls];
    },
  };
}

for (const from of GAME_STATES) {
  it(`leads a game from ${from} to ${GAME_TRANSITIONS[from].join(" and ") || "nowhere"}`, async () => {
    for (const isKnown of [false, true]) {
      const { records, join, state } = await start();
      for (const to of GAME_STATES) {
        const game = `to ${to}`;
        await join(game);
        for (const step of WAY_TO[from]) await records.move(game, step);
        if (isKnown) await records.learn(game, true);
        const before = await records.get(game);
        const refusal: unknown = await records.move(game, to).catch((error: unknown) => error);
        if (GAME_TRANSITIONS[from].includes(to)) {
          expect(refusal).toBeUndefined();
          expect(await records.get(game)).toMatchObject({ ...before, state: to, lastActivity: expect.any(Number) });
        } else {
          expect(refusal).toMatchObject({ code: "transition-invalid", details: { from, to } });
          expect(await records.get(game)).toEqual(before);
        }
      }
      expect(await codeOf(records.move("unknown", from))).toBe("not-found");
      expect(await state("unknown")).toBeUndefined();
    }
  });
}

it("moves a game in one call if its record is known, else reads it first", async () => {
  const { records, join, costOf } = await start();
  await join("chess");
  expect(await costOf(() => records.move("chess", "active"))).toEqual(["done", "get", "compareAndSet"]);
  await records.learn("chess", false);
  expect(await costOf(() => records.move("chess", "paused"))).toEqual(["done", "compareAndSet"]);
  // The event of this change arrives, and has no effect.
  records.applyReportedState("chess", "paused");
  expect(await costOf(() => records.move("chess", "active"))).toEqual(["done", "compareAndSet"]);
});

it("takes one call more if another server changed the game since, and trusts only the store", async () => {
  const { records, roomRecords, join, leave, costOf, state } = await start();
  await join("chess");
  await records.learn("chess", false);
  await elsewhere(roomRecords, "active");
  expect(await costOf(() => records.move("chess", "completed"))).toEqual(["done", "compareAndSet", "compareAndSet"]);
  // The game ended and was created again: the record known here belongs to the former game.
  await leave("chess");
  await join("chess");
  expect(await costOf(() => records.move("chess", "active"))).toEqual(["done", "get", "compareAndSet"]);
  await elsewhere(roomRecords, "paused");
  expect(await costOf(() => records.move("chess", "paused"))).toEqual(["transition-invalid", "compareAndSet"]);
  // A late event reports an earlier state.
  await records.learn("chess", true);
  records.applyReportedState("chess", "active");
  expect(await costOf(() => records.move("chess", "paused"))).toEqual(["transition-invalid", "get"]);
  expect(await state("chess")).toBe("paused");
});

it("keeps an event that arrived while its own change was in progress", async () => {
  const { records, join, costOf } = await start(async (call) => {
    if (call === "compareAndSet") records.applyReportedState("chess", "paused");
  });
  await join("chess");
  await records.learn("chess", false);
  expect(await costOf(() => records.move("chess", "active"))).toEqual(["done", "compareAndSet"]);
  // Only the store can determine which of the two changes came later.
  expect(await costOf(() => records.move("chess", "completed"))).toEqual(["done", "get", "compareAndSet"]);
});

it("ends a race that it loses every time, with a code that invites to try again", async () => {
  let isBusy = true;
  const { records, join, costOf, state } = await start(async (call, roomRecords) => {
    if (call === "compareAndSet" && isBusy) await elsewhere(roomRecords, "waiting");
  });
  await join("chess");
  const [code, ...calls] = await costOf(() => records.move("chess", "active"));
  expect([code, calls.length]).toEqual(["unavailable", 17]);
  expect(await state("chess")).toBe("waiting");
  isBusy = false;
  await records.move("chess", "active");
  expect(await state("chess")).toBe("active");
});

it("takes a record that is no game's for none", async () => {
  const { records, join, roomRecords } = await start();
  for (const value of ["", "null", "7", "{", "{}", '{"state":"over","serverInstance":"a"}', '{"state":"active"}']) {
    await join(`other ${value}`, value);
    expect(await records.get(`other ${value}`)).toBeUndefined();
    expect(await codeOf(records.move(`other ${value}`, "active"))).toBe("not-found");
    expect(await roomRecords.get(`other ${value}`)).toMatchObject({ value });
  }
});

/** Changes the state as another server would, regardless of the current state. */
async function elsewhere(roomRecords: RoomRecords, state: GameState): Promise<void> {
  const { version = 0 } = (await roomRecords.get("chess")) ?? {};
  await roomRecords.compareAndSet("chess", version, JSON.stringify({ state, serverInstance: "a" }));
}
