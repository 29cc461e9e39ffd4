import type { HarnessFactory } from "@cm/contract-tests/store";
import type { Store } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Connections, growsStrictly, RoomRecorder, UserRecorder } from "./change-recorder.fixture.js";
import { createPresence, type Presence } from "./index.js";
import { CHANGED_ROOM, RandomChangesServer, type RandomStep } from "./random-changes-server.fixture.js";

const USERS = Array.from({ length: 5 }, (_, index) => `user-${index}`);
const SERVERS = ["a", "b", "c"];

const pick = fc.nat(20);
const step: fc.Arbitrary<RandomStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      user: fc.nat(USERS.length - 1),
      metadata: fc.option(fc.nat(9), { nil: undefined }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("update" as const), pick, metadata: fc.nat(9) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("close" as const), pick, graceMs: fc.constantFrom(0, 1, 30) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("join" as const, "leave" as const), pick }) },
  { weight: 2, arbitrary: fc.constant({ kind: "end-grace-periods" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "crash" as const }) },
);
const history = fc.array(fc.tuple(fc.nat(SERVERS.length - 1), step), { minLength: 20, maxLength: 80 });
const beginnings = fc.tuple(fc.nat(80), fc.nat(80), fc.nat(80));

/** Checks that watches that begin during many changes end with the same state as a read. */
export function describeRandomChanges(name: string, createHarness: HarnessFactory, numRuns: number): void {
  describe(`a watch that begins during random changes on ${name}`, () => {
    it("ends with the state that is read again, after each change was received at most once and in order", async () => {
      await fc.assert(
        fc.asyncProperty(history, beginnings, async (steps, [users, all, room]) => {
          const harness = await createHarness();
          const presence = createPresence(harness.store);
          try {
            const changes = await startChanges(() => harness.peer(), steps);
            await watchDuring(presence, harness.store, changes, { users, all, room });
          } finally {
            await presence.close();
            await harness.close();
          }
        }),
        { numRuns },
      );
    }, 120_000);
  });
}

interface RandomChanges {
  /** Resolves when `count` steps, or all steps, have been taken. */
  reached(count: number): Promise<void>;
  readonly over: Promise<void>;
}

/** Starts the steps. Each server takes its own steps in order, concurrently with the other servers. */
async function startChanges(
  connect: () => Promise<Store>,
  steps: readonly (readonly [number, RandomStep])[],
): Promise<RandomChanges> {
  const stores = await Promise.all(SERVERS.map(connect));
  let taken = 0;
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const took = (): void => {
    taken++;
    for (const { count, resolve } of waiting) if (count <= taken) resolve();
  };
  const over = Promise.all(
    stores.map(async (store, index) => {
      const server = new RandomChangesServer(store, SERVERS[index] ?? "");
      for (const [at, each] of steps) {
        if (at !== index) continue;
        await server.run(each);
        took();
      }
    }),
  ).then(() => undefined);
  return {
    reached: (count) =>
      count <= taken
        ? Promise.resolve()
        : Promise.race([over, new Promise<void>((resolve) => waiting.push({ count, resolve }))]),
    over,
  };
}

async function watchDuring(
  presence: Presence,
  store: Store,
  changes: RandomChanges,
  begin: { readonly users: number; readonly all: number; readonly room: number },
): Promise<void> {
  const [some, all, room] = [new UserRecorder(), new UserRecorder(), new RoomRecorder()];
  await Promise.all([
    changes.over,
    changes.reached(begin.users).then(() => presence.watchUsers(USERS, some)),
    changes.reached(begin.all).then(() => presence.watchAll(all)),
    changes.reached(begin.room).then(() => presence.watchRoom(CHANGED_ROOM, room)),
  ]);
  await eventually(async () => {
    const next = await store.upkeep.projection.endGracePeriods(
      Array.from({ length: store.partitions }, (_, partition) => partition),
    );
    expect(next).toBeUndefined();
  });
  const states = await presence.getMany(USERS);
  const fresh = new Map<string, Connections>();
  for (const { userId, connections } of states) {
    if (connections.length === 0) continue;
    fresh.set(userId, Object.fromEntries(connections.map(({ connectionId, metadata }) => [connectionId, metadata])));
  }
  const roster = await presence.roster(CHANGED_ROOM, { limit: 1_000 });
  const members = Object.fromEntries(roster.items.map(({ connectionId, metadata }) => [connectionId, metadata]));
  await eventually(() => {
    expect(some.derived).toEqual(fresh);
    expect(all.derived).toEqual(fresh);
    expect(room.derived).toEqual(members);
    for (const { userId, status } of states) {
      expect(some.presences.get(userId)?.status).toBe(status);
      expect(all.presences.get(userId)?.status ?? "offline").toBe(status);
    }
  });
  for (const { userId } of states) {
    for (const { changes } of [some, all]) {
      const own = changes.filter((change) => change.userId === userId);
      expect(growsStrictly(own.map(({ version }) => version))).toBe(true);
    }
  }
  expect(growsStrictly(room.changes.map(({ version }) => version))).toBe(true);
}
