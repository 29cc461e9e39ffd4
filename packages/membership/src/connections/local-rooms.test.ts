import type { EnteredRoom, RoomInterest } from "@cm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { useTestServers } from "../membership.fixture.js";

type RoomState = "outside" | "entering" | "inside";

/** An interest whose `enter` calls the test settles, and that requires `enter` and `exit` to alternate. */
class StrictInterest implements RoomInterest {
  readonly states = new Map<string, RoomState>();
  readonly edges: string[] = [];
  #waiting: { readonly room: string; readonly settle: (failure?: Error) => void }[] = [];

  enter(room: string): Promise<EnteredRoom> {
    expect(this.states.get(room) ?? "outside").toBe("outside");
    this.states.set(room, "entering");
    this.edges.push(`enter ${room}`);
    return new Promise((resolve, reject) => {
      const settle = (failure?: Error): void => {
        this.states.set(room, failure === undefined ? "inside" : "outside");
        if (failure === undefined) resolve({ position: { epoch: 1, offset: 7 } });
        else reject(failure);
      };
      this.#waiting.push({ room, settle });
    });
  }

  exit(room: string): void {
    expect(this.states.get(room)).toBe("inside");
    this.states.set(room, "outside");
    this.edges.push(`exit ${room}`);
  }

  settleAll(failure?: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { settle } of waiting) settle(failure);
  }

  get isSettled(): boolean {
    return this.#waiting.length === 0;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const STEP = fc.record({
  what: fc.constantFrom("join", "join", "leave", "close", "accept", "refuse", "turn"),
  who: fc.nat({ max: 2 }),
  room: fc.constantFrom("red", "blue"),
});

describe("the rooms of a server", () => {
  const { started, connect, membersOf } = useTestServers();

  it("can be joined again from the call that reports that they were left", async () => {
    const rejoined: Promise<unknown>[] = [];
    const a = await started("a", {
      onRoomExited: (room) => {
        if (rejoined.length === 0) rejoined.push(a.membership.join(connectionId, room));
      },
    });
    const connectionId = await connect(a, "ann");
    await a.membership.join(connectionId, "red");
    await a.membership.leave(connectionId, "red");
    await Promise.all(rejoined);
    expect(rejoined).toHaveLength(1);
    expect(a.membership.isMember(connectionId, "red")).toBe(true);
    expect(await membersOf(a, "red")).toEqual([connectionId]);
  });

  it("are left when the connection is no longer counted", async () => {
    const users: number[] = [];
    const a = await started("a", { onRoomExited: () => users.push(a.membership.stats().users) });
    const connectionId = await connect(a, "ann");
    await a.membership.join(connectionId, "red");
    await a.membership.close(connectionId);
    expect(users).toEqual([0]);
  });

  it("are entered with the first local member and exited after the last one", async () => {
    const interest = new StrictInterest();
    const told: string[] = [];
    const a = await started("a", {
      interest,
      onRoomEntered: (room) => told.push(`enter ${room}`),
      onRoomExited: (room) => told.push(`exit ${room}`),
    });
    const [ann, bob, cem] = [await connect(a, "ann"), await connect(a, "bob"), await connect(a, "cem")];
    const joins = [ann, bob].map((id) => a.membership.join(id, "lobby"));
    await turn();
    expect(a.membership.isMember(ann, "lobby")).toBe(false);
    interest.settleAll();
    const position = { epoch: 1, offset: 7 };
    expect(await Promise.all([...joins, a.membership.join(cem, "lobby")])).toEqual(Array(3).fill({ position }));
    expect(a.membership.isMember(ann, "lobby")).toBe(true);
    await a.membership.leave(ann, "lobby");
    await a.membership.close(bob);
    expect(a.membership.isMember(ann, "lobby")).toBe(false);
    expect(interest.edges).toEqual(["enter lobby"]);
    await a.membership.close(cem);
    expect(interest.edges).toEqual(["enter lobby", "exit lobby"]);
    expect(told).toEqual(interest.edges);
  });

  it("are exited after an enter that ends when all members have left", async () => {
    const interest = new StrictInterest();
    const a = await started("a", { interest });
    const id = await connect(a, "ann");
    const join = a.membership.join(id, "lobby").catch((error: unknown) => error);
    await a.membership.leave(id, "lobby");
    expect(interest.edges).toEqual(["enter lobby"]);
    interest.settleAll();
    expect(await join).toMatchObject({ code: "not-found" });
    expect(interest.edges).toEqual(["enter lobby", "exit lobby"]);
  });

  it("are entered again if a member leaves and joins again at the moment of the first enter", async () => {
    const interest = new StrictInterest();
    const again: Promise<unknown>[] = [];
    const a = await started("a", {
      interest,
      onRoomEntered: () => {
        if (again.length === 0) again.push(a.membership.leave(id, "lobby"), a.membership.join(id, "lobby"));
      },
    });
    const id = await connect(a, "ann");
    const first = a.membership.join(id, "lobby").catch((error: unknown) => error);
    interest.settleAll();
    expect(await first).toMatchObject({ code: "not-found" });
    interest.settleAll();
    await Promise.all(again);
    expect(interest.edges).toEqual(["enter lobby", "exit lobby", "enter lobby"]);
    expect(a.membership.isMember(id, "lobby")).toBe(true);
  });

  it("keep a member whose earlier join is refused after the member left and joined again", async () => {
    const interest = new StrictInterest();
    const a = await started("a", { interest });
    const id = await connect(a, "ann");
    const first = a.membership.join(id, "lobby").catch((error: unknown) => error);
    const left = a.membership.leave(id, "lobby");
    const second = a.membership.join(id, "lobby");
    await turn();
    interest.settleAll();
    expect(await first).toMatchObject({ code: "not-found" });
    await Promise.all([left, second]);
    expect(a.membership.isMember(id, "lobby")).toBe(true);
    await expect.poll(() => membersOf(a, "lobby")).toEqual([id]);
    expect(interest.edges).toEqual(["enter lobby"]);
  });

  it("are entered if and only if they have members, whatever overlaps", { timeout: 60_000 }, async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 20, maxLength: 60 }), async (steps) => {
        const interest = new StrictInterest();
        const a = await started(`s${run++}`, { interest });
        const connections = [await connect(a, "ann"), await connect(a, "bob"), await connect(a, "cem")];
        const work: Promise<unknown>[] = [];
        const failures: unknown[] = [];
        for (const { what, who, room } of steps) {
          const id = connections[who] ?? "";
          if (what === "join") {
            const join = a.membership.join(id, room).then(() => undefined);
            work.push(join.catch((error: unknown) => failures.push(error)));
          } else if (what === "leave") work.push(a.membership.leave(id, room));
          else if (what === "close") {
            work.push(a.membership.close(id));
            const connectionId = a.membership.nextConnectionId();
            connections[who] = connectionId;
            work.push(a.membership.open({ connectionId, userId: `user-${who}` }));
          } else if (what === "turn") await turn();
          else interest.settleAll(what === "refuse" ? new Error("refused") : undefined);
        }
        const ended = Promise.allSettled(work);
        let hasEnded = false;
        void ended.then(() => {
          hasEnded = true;
        });
        while (!hasEnded || !interest.isSettled) {
          interest.settleAll();
          await turn();
        }
        expect((await ended).filter(({ status }) => status === "rejected")).toEqual([]);
        for (const error of failures) {
          if (!(error instanceof Error && error.message === "refused")) {
            expect(error).toMatchObject({ code: "not-found" });
          }
        }
        for (const room of ["red", "blue"]) {
          const members = connections.filter((id) => a.membership.isMember(id, room));
          expect(interest.states.get(room) ?? "outside").toBe(members.length > 0 ? "inside" : "outside");
          await expect.poll(async () => (await membersOf(a, room)).toSorted()).toEqual(members.toSorted());
        }
        await a.membership.shutdown();
        await a.store.close();
      }),
      { numRuns: 150 },
    );
  });
});

describe("an interest that throws", () => {
  const { started, connect } = useTestServers();

  it("fails a join whose `enter` throws at once, keeps nothing of it, and tries again with the next join", async () => {
    let failure: Error | undefined = new Error("The bus is down.");
    const interest: RoomInterest = {
      enter: () => {
        if (failure !== undefined) throw failure;
        return Promise.resolve(undefined);
      },
      exit: () => undefined,
    };
    const server = await started("a", { interest });
    const connection = await connect(server, "ann");
    await expect(server.membership.join(connection, "lobby")).rejects.toBe(failure);
    expect(server.membership.stats()).toMatchObject({ rooms: 0, memberships: 0 });
    failure = undefined;
    await server.membership.join(connection, "lobby");
    expect(server.membership.isMember(connection, "lobby")).toBe(true);
  });
});
