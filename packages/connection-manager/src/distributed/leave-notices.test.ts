import { createPresence } from "@cm/presence";
import { CmError } from "@cm/protocol";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LeaveNotices } from "./leave-notices.js";
import { TestCluster, witness } from "./managers.fixture.js";

describe("the members of a room", () => {
  it("are notified once of members that left or were disconnected, on every server", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const [here, there] = [await witness(alpha), await witness(beta)];
    const [ann, bob] = [await alpha.connect("ann", "lobby"), await beta.connect("bob", "lobby")];
    await alpha.manager.leaveRoom(ann.id, "lobby");
    bob.socket.close();
    const left = { type: "user-left", roomId: "lobby", userId: "ann", connectionId: ann.id };
    const disconnected = { type: "user-disconnected", roomId: "lobby", userId: "bob", connectionId: bob.id };
    for (const { departures } of [here, there]) {
      await expect.poll(departures).toMatchObject([left, disconnected]);
      for (const message of departures() as { readonly timestamp: number }[]) {
        expect(Math.abs(message.timestamp - Date.now())).toBeLessThan(10_000);
      }
    }
    expect(ann.socket.messages).not.toContainEqual(expect.objectContaining({ userId: "ann" }));
    await beta.manager.broadcastToRoom("lobby", "end");
    await expect.poll(() => here.socket.messages.at(-1)).toBe("end");
    expect(here.departures()).toHaveLength(3);
  });

  it("are not notified of a user that still has another connection on any server", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const here = await witness(alpha);
    const [phone, desk] = [await alpha.connect("ann", "lobby"), await beta.connect("ann", "lobby")];
    phone.socket.close();
    const cem = await beta.connect("cem", "lobby");
    cem.socket.close();
    await expect.poll(here.departures).toMatchObject([{ userId: "cem" }]);
    await beta.manager.leaveRoom(desk.id, "lobby");
    await expect.poll(here.departures).toMatchObject([{ userId: "cem" }, { type: "user-left", userId: "ann" }]);
  });

  it("are notified of all members on a server that shuts down", async () => {
    const cluster = new TestCluster();
    const [alpha, beta] = [await cluster.start("alpha"), await cluster.start("beta")];
    const here = await witness(alpha);
    await beta.connect("ann", "lobby");
    await beta.connect("bob", "lobby");
    await beta.manager.shutdown();
    await expect.poll(() => here.departures().length).toBe(2);
    expect(here.departures()).toMatchObject([
      { type: "user-disconnected", userId: "ann" },
      { type: "user-disconnected", userId: "bob" },
    ]);
  });

  it("are not notified if the caller disabled it", async () => {
    const cluster = new TestCluster();
    const alpha = await cluster.start("alpha", { announceDepartures: false });
    const beta = await cluster.start("beta");
    const silent = await alpha.connect("ann", "lobby");
    const there = await witness(beta);
    const bob = await beta.connect("bob", "lobby");
    bob.socket.close();
    await expect.poll(there.departures).toMatchObject([{ userId: "bob" }]);
    await beta.manager.broadcastToRoom("lobby", "end");
    await expect.poll(() => silent.socket.messages).toEqual(["end"]);
  });
});

describe("watching rooms", () => {
  it("ends with the room, and with everything", async () => {
    const store = await new TestCluster().store();
    const presence = createPresence(store);
    onTestFinished(() => presence.close());
    const errors: CmError[] = [];
    const local = { toRoom: () => undefined };
    const departures = new LeaveNotices({ presence, local, onError: (error) => errors.push(error) });
    departures.enter("lobby");
    departures.enter("hall");
    await expect.poll(() => presence.stats()).toMatchObject({ watches: 2, channels: 2 });
    departures.exit("lobby");
    departures.exit("lobby");
    await expect.poll(() => presence.stats()).toMatchObject({ watches: 1, channels: 1 });
    departures.close();
    departures.enter("too late");
    await expect.poll(() => presence.stats()).toMatchObject({ watches: 0, channels: 0 });
    // A watch that is closed before it has begun is not reported as an error.
    expect(errors).toEqual([]);
  });

  it("is tried again after a failure, which is reported once, and reports the missed changes", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const errors: CmError[] = [];
    let attempts = 0;
    type Watcher = Parameters<ReturnType<typeof createPresence>["watchRoom"]>[1];
    const watchers: Watcher[] = [];
    const presence = {
      // Simulates a store that is unavailable, and a watch that ends because it grew too large.
      watchRoom: async (_room: string, watcher: Watcher) => {
        attempts += 1;
        if (attempts <= 2) throw new CmError("unavailable", "Away.");
        watchers.push(watcher);
        watcher.snapshot([{ connectionId: `c${attempts}`, userId: "ann", serverId: "s", metadata: undefined }]);
        const done = () => Promise.resolve();
        return { refresh: done, close: done, [Symbol.asyncDispose]: done };
      },
    };
    const texts: string[] = [];
    const local = { toRoom: (_room: string, frame: Uint8Array) => void texts.push(Buffer.from(frame).toString()) };
    const departures = new LeaveNotices({ presence, local, onError: (error) => errors.push(error) });
    onTestFinished(() => departures.close());
    departures.enter("lobby");
    await vi.advanceTimersByTimeAsync(4_999);
    expect(attempts).toBe(1);
    await vi.advanceTimersByTimeAsync(5_001);
    expect(attempts).toBe(3);
    expect(errors.map(({ code }) => code)).toEqual(["unavailable"]);
    watchers[0]?.ended?.(new CmError("capacity-reached", "Too many."));
    expect(errors.map(({ code }) => code)).toEqual(["unavailable", "capacity-reached"]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(attempts).toBe(4);
    // The user is still in the room, with another connection.
    await vi.advanceTimersByTimeAsync(5_000);
    expect(texts).toEqual([]);
  });

  it("reports once the users that a later snapshot lacks", async () => {
    type Watcher = Parameters<ReturnType<typeof createPresence>["watchRoom"]>[1];
    let watcher: Watcher | undefined;
    const members = (...userIds: readonly string[]) =>
      userIds.map((userId) => ({ connectionId: `c-${userId}`, userId, serverId: "s", metadata: undefined }));
    const presence = {
      // Simulates a presence that has already waited for missing users.
      watchRoom: async (_room: string, newWatcher: Watcher) => {
        watcher = newWatcher;
        watcher.snapshot(members("ann", "bob", "cem"));
        const done = () => Promise.resolve();
        return { refresh: done, close: done, [Symbol.asyncDispose]: done };
      },
    };
    const told: unknown[] = [];
    const local = {
      toRoom: (_room: string, frame: Uint8Array) => void told.push(JSON.parse(Buffer.from(frame).toString())),
    };
    const departures = new LeaveNotices({ presence, local, onError: () => undefined });
    onTestFinished(() => departures.close());
    departures.enter("lobby");
    await vi.waitFor(() => expect(watcher).toBeDefined());
    watcher?.snapshot(members("ann", "cem"));
    watcher?.snapshot(members("ann", "cem"));
    expect(told).toMatchObject([{ type: "user-disconnected", userId: "bob", connectionId: "c-bob" }]);
  });
});
