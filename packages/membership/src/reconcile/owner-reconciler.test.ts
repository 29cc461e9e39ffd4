import { setTimeout as sleep } from "node:timers/promises";
import { createStoreHarness } from "@cm/contract-tests/store";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { connectionIdsOf, type ProjectionUpkeep, type Store } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { describeOwnerReconciler, hearAll, startChecked } from "./owner-reconciler-suite.fixture.js";

describeOwnerReconciler("the memory store", () => {
  const hub = createMemoryHub();
  return createStoreHarness({ createStore: () => createMemoryStore({ hub }) });
});

/**
 * Makes each read of rooms or users return the entries of all partitions, so that it also contains changes in
 * progress.
 */
function whole(part: ProjectionUpkeep, count: number): ProjectionUpkeep {
  const partitions = Array.from({ length: count }, (_, partition) => partition);
  return {
    ...part,
    held: async (right, kind, recordPartition) => {
      if (kind === "records") return part.held(right, kind, recordPartition);
      const all = await Promise.all(partitions.map((partition) => part.held(right, kind, partition)));
      // The elements have the same kind in all of these lists, so the flat list has it too.
      return all.flat() as (typeof all)[number];
    },
  };
}

/** A store whose calls take different times, so that they overtake each other. */
function slow<T extends object>(part: T, delayMs: () => number): T {
  return new Proxy(part, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        await sleep(delayMs());
        const answer: unknown = await Reflect.apply(value, target, args);
        await sleep(delayMs());
        return answer;
      };
    },
  });
}

const STEP = fc.record({
  what: fc.constantFrom("open", "join", "leave", "update", "close"),
  who: fc.nat({ max: 3 }),
  room: fc.constantFrom("red", "blue"),
  waits: fc.boolean(),
});

it("never undoes, repeats or wrongly reports a change that is in progress", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(STEP, { minLength: 60, maxLength: 100 }),
      fc.infiniteStream(fc.nat(20)),
      async (steps, delays) => {
        const inner = createMemoryStore();
        await inner.start();
        const delayMs = (): number => delays.next().value ?? 0;
        const parts = {
          connections: slow(inner.connections, delayMs),
          rooms: slow(inner.rooms, delayMs),
          users: slow(inner.users, delayMs),
          partitions: 1,
          upkeep: {
            servers: inner.upkeep.servers,
            projection: slow(whole(inner.upkeep.projection, inner.partitions), delayMs),
          },
        };
        const { presence, rosters } = await hearAll(inner, ["u0", "u1", "u2", "u3"], ["red", "blue"]);
        const server = await startChecked(inner, {}, "a", parts);
        const open: (string | undefined)[] = [];
        const pending: Promise<unknown>[] = [];
        for (const { what, who, room, waits } of steps) {
          const id = open[who];
          let work: Promise<unknown> = Promise.resolve();
          if (what === "open" && id === undefined) {
            const connectionId = server.membership.nextConnectionId();
            open[who] = connectionId;
            work = server.membership.open({ connectionId, userId: `u${who}` });
          } else if (id !== undefined) {
            if (what === "join") work = server.membership.join(id, room);
            if (what === "leave") work = server.membership.leave(id, room);
            if (what === "update") work = server.membership.update(id, { at: pending.length });
            if (what === "close") {
              open[who] = undefined;
              work = server.membership.close(id);
            }
          }
          // A join that is overtaken by its own leave is expected to fail.
          pending.push(work.catch(() => undefined));
          await (waits ? work.catch(() => undefined) : sleep(delayMs() / 2));
        }
        await Promise.all(pending);
        await eventually(() => expect(server.membership.stats().pendingRemovals).toBe(0));
        const { reconciledPartitions } = server.membership.stats().drift;
        await eventually(() =>
          expect(server.membership.stats().drift.reconciledPartitions).toBeGreaterThan(reconciledPartitions + 20),
        );
        for (const room of ["red", "blue"]) {
          const members = (await inner.rooms.members(room, { limit: 100 })).items.map(
            ({ connectionId }) => connectionId,
          );
          expect(members.every((id) => open.includes(id))).toBe(true);
          // The changes of each member must alternate, starting with `joined`; the last one must match the roster.
          const told = rosters.filter((change) => change.room === room && change.kind !== "updated");
          for (const id of new Set([...members, ...told.map(({ connectionId }) => connectionId)])) {
            const kinds = told.filter(({ connectionId }) => connectionId === id).map(({ kind }) => kind);
            expect(kinds).toEqual(kinds.map((_, i) => (i % 2 === 0 ? "joined" : "left")));
            expect(kinds.at(-1)).toBe(members.includes(id) ? "joined" : "left");
          }
        }
        for (const who of [0, 1, 2, 3]) {
          const told = presence.filter(
            ({ userId, kind }) => userId === `u${who}` && (kind === "online" || kind === "offline"),
          );
          expect(told.map(({ kind }) => kind)).toEqual(told.map((_, i) => (i % 2 === 0 ? "online" : "offline")));
          expect(told.at(-1)?.kind ?? "offline").toBe(open[who] === undefined ? "offline" : "online");
          expect(await connectionIdsOf(inner.users, `u${who}`)).toEqual(open[who] === undefined ? [] : [open[who]]);
        }
        await server.membership.shutdown();
        await inner.close();
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
});

it("announces a member that comes back as present, however late the store processes its leave", async () => {
  const store = createMemoryStore();
  onTestFinished(() => store.close());
  await store.start();
  const { rosters } = await hearAll(store, [], ["lobby"]);
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let leaves = 0;
  const rooms: Store["rooms"] = {
    ...store.rooms,
    leave: async (...args) => {
      leaves++;
      await released;
      return store.rooms.leave(...args);
    },
  };
  const { membership, connect } = await startChecked(store, {}, "a", { rooms });
  const [ann, bob] = [await connect("ann"), await connect("bob")];
  await membership.join(ann, "lobby");
  const left = membership.leave(ann, "lobby");
  await eventually(() => expect(leaves).toBe(1));
  const joined = membership.join(ann, "lobby");
  // The store has received everything that was asked for before: also a join that does not wait for the leave.
  await membership.join(bob, "elsewhere");
  release();
  await Promise.all([left, joined]);
  const { reconciledPartitions } = membership.stats().drift;
  await eventually(() =>
    expect(membership.stats().drift.reconciledPartitions).toBeGreaterThan(reconciledPartitions + 1_000),
  );
  expect((await store.rooms.members("lobby", { limit: 10 })).items.map(({ connectionId }) => connectionId)).toEqual([
    ann,
  ]);
  expect(rosters.map(({ kind }) => kind)).toEqual(["joined", "left", "joined"]);
});

it("is finally reported only by its counters", async () => {
  const store = createMemoryStore();
  onTestFinished(() => store.close());
  await store.start();
  const reports: unknown[] = [];
  const server = await startChecked(store, { onDrift: (report) => reports.push(report) });
  const ann = await server.connect("ann");
  await server.membership.join(ann, "lobby");
  await store.rooms.leave(server.lease(), "lobby", [{ connectionId: ann, userId: "ann" }]);
  await eventually(() => expect(reports).toMatchObject([{ kind: "member", missing: 1, stray: 0, wrong: 0 }]));
});
