import type { HarnessFactory } from "@cm/contract-tests/store";
import { isCmError } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import { growsStrictly, RoomRecorder, UserRecorder } from "./change-recorder.fixture.js";
import { TestServers } from "./test-servers.fixture.js";

const GRACE = { membership: { offlineGraceMs: 300 } };
const HOUR = { membership: { offlineGraceMs: 3_600_000 } };

/** Contract tests for presence, for any store that uses the real clock. */
export function describePresence(name: string, createHarness: HarnessFactory): void {
  /** Defines a test with its own servers, which are closed even if the test fails. */
  function promise(sentence: string, body: (servers: TestServers) => Promise<void>): void {
    it(sentence, async () => {
      const servers = new TestServers(await createHarness());
      try {
        await body(servers);
      } finally {
        await servers.close();
      }
    });
  }

  async function codeOf(call: Promise<unknown>): Promise<string> {
    try {
      await call;
      return "done";
    } catch (error) {
      if (isCmError(error)) return error.code;
      throw error;
    }
  }

  describe(`presence on ${name}`, () => {
    promise(
      "knows a user's devices on several servers with what they say, and when he was last seen",
      async (servers) => {
        const [a, b] = [await servers.start("a"), await servers.start("b")];
        const phone = await a.connect("ann", { device: "phone" });
        const desk = await b.connect("ann");
        const ann = await a.presence.get("ann");
        expect(ann.status).toBe("online");
        expect([...ann.connections].sort((x, y) => (x.serverId < y.serverId ? -1 : 1))).toEqual([
          { connectionId: phone, serverId: "a", metadata: { device: "phone" } },
          { connectionId: desk, serverId: "b", metadata: undefined },
        ]);
        const before = Date.now();
        await a.membership.close(phone);
        await b.membership.close(desk);
        const gone = await b.presence.get("ann");
        expect(gone).toMatchObject({ status: "offline", connections: [] });
        expect(Math.abs((gone.lastSeen ?? 0) - before)).toBeLessThan(10_000);
        expect(await a.presence.getMany(["ann", "nobody"])).toMatchObject([
          { userId: "ann", lastSeen: gone.lastSeen },
          { userId: "nobody", status: "offline", lastSeen: undefined },
        ]);
      },
    );

    promise(
      "tells watchers on another server each change once and in order, with what was replaced",
      async (servers) => {
        const [a, b] = [await servers.start("a"), await servers.start("b")];
        const heard = new UserRecorder();
        await b.presence.watchUser("ann", heard);
        expect(heard.snapshots).toMatchObject([[{ userId: "ann", status: "offline" }]]);
        const first = await a.connect("ann", { mood: "busy" });
        const second = await a.connect("ann");
        await a.membership.update(first, { mood: "free" });
        await a.membership.close(second);
        await a.membership.close(first);
        await a.connect("somebody-else");
        await eventually(() => expect(heard.changes).toHaveLength(5));
        expect(heard.kinds).toEqual(["online", "opened", "updated", "closed", "offline"]);
        expect(heard.changes[2]).toMatchObject({
          connectionId: first,
          metadata: { mood: "free" },
          previousMetadata: { mood: "busy" },
        });
        expect(growsStrictly(heard.changes.map(({ version }) => version))).toBe(true);
        expect(heard.presences.get("ann")).toMatchObject({ status: "offline", connections: [] });
        expect(heard.snapshots).toHaveLength(1);
        expect(b.errors).toEqual([]);
      },
    );

    promise(
      "doesn't show a user offline who is back within the grace period, on another server too",
      async (servers) => {
        const [a, b] = [await servers.start("a", HOUR), await servers.start("b", HOUR)];
        const heard = new UserRecorder();
        await b.presence.watchUser("ann", heard);
        const before = await a.connect("ann");
        await a.membership.close(before);
        expect(await b.presence.get("ann")).toMatchObject({ status: "online", connections: [] });
        await b.connect("ann");
        await eventually(() => expect(heard.kinds).toEqual(["online", "closed", "opened"]));
        expect(heard.presences.get("ann")).toMatchObject({ status: "online", connections: [{ serverId: "b" }] });
      },
    );

    promise("shows a user offline once when the grace period ends, however many servers look", async (servers) => {
      const [a, b] = [await servers.start("a", GRACE), await servers.start("b", GRACE)];
      await servers.start("c", GRACE);
      const heard = new UserRecorder();
      await b.presence.watchUser("ann", heard);
      const [one, two] = [await a.connect("ann"), await b.connect("ann")];
      await Promise.all([a.membership.close(one), b.membership.close(two)]);
      await eventually(() => expect(heard.kinds).toContain("offline"));
      expect(heard.kinds).toEqual(["online", "opened", "closed", "closed", "offline"]);
      expect(heard.changes.at(-1)).toMatchObject({ connectionId: undefined });
      expect(await a.presence.countOnline()).toBe(0);
    });

    promise("shows a user who signs off offline at once", async (servers) => {
      const [a, b] = [await servers.start("a", HOUR), await servers.start("b", HOUR)];
      const heard = new UserRecorder();
      await b.presence.watchUser("ann", heard);
      const id = await a.connect("ann");
      await a.membership.close(id, { signOff: true });
      expect(await b.presence.get("ann")).toMatchObject({ status: "offline" });
      await eventually(() => expect(heard.kinds).toEqual(["online", "offline"]));
    });

    promise("shows the users of a server that died offline, once", async (servers) => {
      const a = await servers.start("a", { membership: { heartbeatIntervalMs: 100, leaseTtlMs: 1_000 } });
      const b = await servers.start("b", { membership: { heartbeatIntervalMs: 200 } });
      const heard = new UserRecorder();
      const room = new RoomRecorder();
      const ids = [await a.connect("ann"), await a.connect("ann"), await a.connect("bob")];
      for (const id of ids) await a.membership.join(id, "lobby");
      await b.connect("bob");
      await b.presence.watchUsers(["ann", "bob"], heard);
      await b.presence.watchRoom("lobby", room);
      await a.store.close();
      await eventually(() => expect(heard.kinds).toHaveLength(3));
      await eventually(() => expect(room.kinds).toEqual(["left", "left", "left"]));
      expect(heard.changes.filter(({ userId }) => userId === "ann").map(({ kind }) => kind)).toEqual([
        "closed",
        "offline",
      ]);
      expect(heard.changes.filter(({ userId }) => userId === "bob").map(({ kind }) => kind)).toEqual(["closed"]);
      expect(heard.presences.get("bob")).toMatchObject({ status: "online", connections: [{ serverId: "b" }] });
      expect(room.derived).toEqual({});
    });

    promise("tells who watches all, who watches some, and who came later, the same", async (servers) => {
      const [a, b] = [await servers.start("a"), await servers.start("b")];
      await a.connect("ann", 1);
      const [all, some, late] = [new UserRecorder(), new UserRecorder(), new UserRecorder()];
      await b.presence.watchAll(all);
      await b.presence.watchUsers(["ann", "bob", "ann"], some);
      expect(all.snapshots.flat()).toMatchObject([{ userId: "ann", connections: [{ metadata: 1 }] }]);
      expect(some.snapshots[0]?.map(({ userId }) => userId)).toEqual(["ann", "bob"]);
      const bob = await b.connect("bob");
      await a.connect("cy");
      await eventually(() => expect([...all.derived.keys()].sort()).toEqual(["ann", "bob", "cy"]));
      await b.presence.watchAll(late);
      expect(
        late.snapshots
          .flat()
          .map(({ userId }) => userId)
          .sort(),
      ).toEqual(["ann", "bob", "cy"]);
      await b.membership.close(bob);
      await eventually(() => expect(late.kinds).toEqual(["offline"]));
      await eventually(() => expect(all.kinds).toEqual(["online", "online", "offline"]));
      await eventually(() => expect(some.kinds).toEqual(["online", "offline"]));
      expect(all.derived).toEqual(late.derived);
    });

    promise("lists 1,000 users in pages, each once, while others come and go", async (servers) => {
      const [a, b] = [await servers.start("a"), await servers.start("b")];
      const stayers = Array.from({ length: 1_000 }, (_, index) => `stays-${index}`);
      await Promise.all(stayers.map((userId, index) => (index % 2 === 0 ? a : b).connect(userId)));
      const churn = { on: true };
      const churning = (async () => {
        for (let index = 0; churn.on; index++) await a.membership.close(await a.connect(`passes-${index}`));
      })();
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await b.presence.online({ limit: 70, cursor });
        expect(page.items.length).toBeLessThanOrEqual(70);
        seen.push(...page.items.map(({ userId }) => userId));
        cursor = page.cursor;
      } while (cursor !== undefined);
      churn.on = false;
      await churning;
      expect(seen.filter((userId) => userId.startsWith("stays-")).sort()).toEqual([...stayers].sort());
      expect(await b.presence.countOnline()).toBe(1_000);
    });

    promise("tells a room's roster, longer than a page, and then who comes, changes and goes", async (servers) => {
      const [a, b] = [await servers.start("a"), await servers.start("b")];
      const ids = await Promise.all(
        Array.from({ length: 1_100 }, async (_, index) => {
          const id = await a.connect(`user-${index}`, { seat: index });
          await a.membership.join(id, "hall");
          return id;
        }),
      );
      const heard = new RoomRecorder();
      await b.presence.watchRoom("hall", heard);
      expect(heard.snapshots).toHaveLength(1);
      expect(Object.keys(heard.derived).sort()).toEqual([...ids].sort());
      expect(heard.snapshots[0]?.find(({ userId }) => userId === "user-7")).toMatchObject({
        serverId: "a",
        metadata: { seat: 7 },
      });
      expect(await b.presence.countMembers("hall")).toBe(1_100);
      const page = await b.presence.roster("hall", { limit: 3 });
      expect(page.items).toHaveLength(3);
      expect(page.items.every(({ metadata }) => metadata !== undefined)).toBe(true);

      const guest = await b.connect("guest", "hello");
      await b.membership.join(guest, "hall");
      await b.membership.update(guest, "bye");
      await b.membership.leave(guest, "hall");
      await eventually(() => expect(heard.kinds).toEqual(["joined", "updated", "left"]));
      expect(heard.changes.map(({ metadata }) => metadata)).toEqual(["hello", "bye", undefined]);
      expect(growsStrictly(heard.changes.map(({ version }) => version))).toBe(true);
    });

    promise("watches a room before it exists, and through its end", async (servers) => {
      const [a, b] = [await servers.start("a"), await servers.start("b")];
      const heard = new RoomRecorder();
      await b.presence.watchRoom("soon", heard);
      expect(heard.snapshots).toEqual([[]]);
      const id = await a.connect("ann");
      for (let round = 0; round < 2; round++) {
        await a.membership.join(id, "soon");
        await a.membership.leave(id, "soon");
      }
      await eventually(() => expect(heard.kinds).toEqual(["joined", "left", "joined", "left"]));
    });

    promise("reports a watcher that throws once, and tells it and the others all the same", async (servers) => {
      const a = await servers.start("a");
      const heard = new UserRecorder();
      let calls = 0;
      const broken = {
        snapshot: () => {
          throw new Error("broken");
        },
        change: () => {
          calls++;
          throw new Error("broken");
        },
      };
      await a.presence.watchUser("ann", broken);
      await a.presence.watchUser("ann", heard);
      const id = await a.connect("ann");
      await a.membership.close(id);
      await eventually(() => expect(heard.kinds).toEqual(["online", "offline"]));
      expect(calls).toBe(2);
      expect(a.errors).toMatchObject([{ error: { code: "internal" }, stage: "handler" }]);
    });

    promise("reports a watcher that is asynchronous and rejects, once", async (servers) => {
      const a = await servers.start("a");
      const heard = new UserRecorder();
      const rejects = (): Promise<never> => Promise.reject(new Error("broken"));
      await a.presence.watchUser("ann", { snapshot: rejects, change: rejects });
      await a.presence.watchUser("ann", heard);
      await a.membership.close(await a.connect("ann"));
      await eventually(() => expect(heard.kinds).toEqual(["online", "offline"]));
      expect(a.errors).toMatchObject([{ error: { code: "internal", cause: new Error("broken") }, stage: "handler" }]);
    });

    promise(
      "calls nobody whose watch was closed, also from within a call, and lets go of every channel",
      async (servers) => {
        const a = await servers.start("a");
        const [heard, rest] = [new UserRecorder(), new UserRecorder()];
        const watch = await a.presence.watchUser("ann", {
          snapshot: (presences) => heard.snapshot(presences),
          change: (change, presence) => {
            heard.change(change, presence);
            void watch.close();
          },
        });
        const others = [
          await a.presence.watchAll(rest),
          await a.presence.watchRoom("lobby", new RoomRecorder()),
          await a.presence.watchUsers(["ann", "bob"], rest),
        ];
        await a.membership.close(await a.connect("ann"));
        await eventually(() => expect(rest.kinds).toHaveLength(4));
        expect(heard.kinds).toEqual(["online"]);
        expect(a.presence.stats().watches).toBe(3);
        for (const other of others) {
          expect(other.close()).toBe(other.close());
          await other.close();
        }
        expect(a.presence.stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
        // A channel that was closed can be opened again.
        await a.presence.watchAll(rest);
        expect(a.errors).toEqual([]);
      },
    );

    promise("ends all watches when it is closed, those that are about to begin too", async (servers) => {
      const a = await servers.start("a");
      const heard = new UserRecorder();
      await a.presence.watchUser("ann", heard);
      const beginning = [
        codeOf(a.presence.watchAll(heard)),
        codeOf(a.presence.watchUser("bob", heard)),
        codeOf(a.presence.watchRoom("lobby", new RoomRecorder())),
      ];
      const told = heard.snapshots.length;
      expect(a.presence.close()).toBe(a.presence.close());
      await a.presence.close();
      expect(await Promise.all(beginning)).toEqual(["closed", "closed", "closed"]);
      expect(await codeOf(a.presence.get("ann"))).toBe("closed");
      expect(await codeOf(a.presence.watchUser("ann", heard))).toBe("closed");
      await a.connect("ann");
      expect(heard.changes).toEqual([]);
      expect(heard.snapshots).toHaveLength(told);
      expect(a.presence.stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
    });

    promise("a watch that exceeds maxCachedStates ends with capacity-reached", async (servers) => {
      const a = await servers.start("a", { presence: { maxWatches: 2, maxUsersPerWatch: 3, maxCachedStates: 4 } });
      const heard = new UserRecorder();
      expect(await codeOf(a.presence.watchUsers(["1", "2", "3", "4"], heard))).toBe("options-invalid");
      const three = await a.presence.watchUsers(["1", "2", "3"], heard);
      expect(await codeOf(a.presence.watchUsers(["4", "5"], heard))).toBe("capacity-reached");
      expect(a.presence.stats()).toMatchObject({ watches: 1, kept: 3 });
      const all = new UserRecorder();
      await a.presence.watchAll(all);
      expect(await codeOf(a.presence.watchUser("1", heard))).toBe("capacity-reached");
      await a.connect("x");
      await eventually(() => expect(all.kinds).toEqual(["online"]));
      await a.connect("y");
      await eventually(() => expect(all.endedWith).toBe("capacity-reached"));
      expect(a.presence.stats()).toMatchObject({ watches: 1, kept: 3 });
      await three.close();

      const ids = await Promise.all(["p", "q", "r", "s"].map((userId) => a.connect(userId)));
      for (const id of ids) await a.membership.join(id, "lobby");
      const room = new RoomRecorder();
      await a.presence.watchRoom("lobby", room);
      await a.membership.join(await a.connect("t"), "lobby");
      await eventually(() => expect(room.endedWith).toBe("capacity-reached"));
      expect(await codeOf(a.presence.watchRoom("lobby", room))).toBe("capacity-reached");
      expect(a.presence.stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
    });

    promise("refuses what it can't take with a code, and keeps nothing of it", async (servers) => {
      const { presence } = await servers.start("a");
      const heard = new UserRecorder();
      const rooms = new RoomRecorder();
      // Values that only an untyped caller can pass.
      const wild: { readonly anything: never } = { anything: 7 as never };
      expect(await codeOf(presence.get(""))).toBe("name-invalid");
      expect(await codeOf(presence.get("x".repeat(256)))).toBe("name-too-long");
      expect(await codeOf(presence.getMany(wild.anything))).toBe("options-invalid");
      expect(await codeOf(presence.getMany(Array.from({ length: 1_001 }, (_, index) => `${index}`)))).toBe(
        "options-invalid",
      );
      expect(await codeOf(presence.online({ limit: 0 }))).toBe("options-invalid");
      for (const call of [presence.online(wild.anything), presence.roster("lobby", wild.anything)]) {
        await expect(call).rejects.toMatchObject({ code: "options-invalid", details: { field: "page" } });
      }
      expect(await codeOf(presence.online({ limit: 10, cursor: "nonsense" }))).toBe("options-invalid");
      expect(await codeOf(presence.roster("", { limit: 1 }))).toBe("name-invalid");
      expect(await codeOf(presence.roster("lobby", { limit: 1_001 }))).toBe("options-invalid");
      expect(await codeOf(presence.countMembers(""))).toBe("name-invalid");
      expect(await codeOf(presence.watchUsers([], heard))).toBe("options-invalid");
      expect(await codeOf(presence.watchUsers(["ann", ""], heard))).toBe("name-invalid");
      expect(await codeOf(presence.watchUsers(wild.anything, heard))).toBe("options-invalid");
      expect(await codeOf(presence.watchUser("ann", wild.anything))).toBe("options-invalid");
      expect(await codeOf(presence.watchRoom("", rooms))).toBe("name-invalid");
      expect(presence.stats()).toEqual({ watches: 0, channels: 0, kept: 0 });
    });
  });
}
