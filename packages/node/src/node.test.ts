import type { Membership } from "@cm/membership";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import type { Presence } from "@cm/presence";
import { CmError, isCmError, type LocalDelivery } from "@cm/protocol";
import type { Router } from "@cm/router";
import { type CallTable, callsNotRejectedWith, eventually, freePort } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNode } from "./composed-node.js";
import type { Node, NodePart } from "./node.js";
import type { NodeOptions } from "./options.js";

const NOWHERE: LocalDelivery = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

/** Creates a node with an (empty) set of local sockets. */
function makeNode(options: NodeOptions = {}): Node {
  const node = createNode({ local: NOWHERE, ...options });
  onTestFinished(() => node.close());
  return node;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "done",
    (error: unknown) => (isCmError(error) ? error.code : "not coded"),
  );
}

describe("a node with sockets", () => {
  it("serves from its start to its end, and begins neither twice", async () => {
    const node = makeNode({ serverId: "alpha" });
    expect(node.phase).toBe("starting");
    expect(node.isReady).toBe(false);
    expect(node.start()).toBe(node.start());
    await node.start();
    expect(node.readiness()).toMatchObject({
      ready: true,
      phase: "serving",
      lease: "held",
      fault: null,
      link: "in-sync",
    });
    expect((await node.store.servers.snapshot()).living).toMatchObject([{ serverId: "alpha" }]);
    expect(node.close()).toBe(node.close());
    await node.close();
    expect(node.readiness()).toMatchObject({ ready: false, phase: "closing", lease: "lost", link: "closed" });
    expect(node.store.link.state).toBe("closed");
    expect(await codeOf(node.start())).toBe("closed");
    expect(await codeOf(makeNode({ store: node.store }).start())).toBe("closed");
  });

  it("warns where the URL of its Redis is undefined, and not where it is left out", async () => {
    const warnings: string[] = [];
    const take = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
    process.on("warning", take);
    onTestFinished(() => void process.off("warning", take));
    makeNode();
    makeNode({ redisUrl: undefined });
    await expect.poll(() => warnings).toEqual([expect.stringMatching(/^CmWarning: redisUrl is undefined/)]);
  });

  it("can't be started if it was closed before", async () => {
    const node = makeNode();
    await node[Symbol.asyncDispose]();
    expect(await codeOf(node.start())).toBe("closed");
    expect(node.store.link.state).toBe("connecting");
  });

  it("is not ready while it drains, nor if its link is gone", async () => {
    const store = createMemoryStore();
    await store.start();
    onTestFinished(() => store.close());
    const node = makeNode({ store, onError: () => undefined });
    await node.start();
    await node.drain();
    expect(node.readiness()).toMatchObject({ ready: false, phase: "draining", lease: "held", link: "in-sync" });
    await store.close();
    expect(node.readiness()).toMatchObject({ ready: false, link: "closed" });
  });

  it("leaves a store that it was given open, and nothing of itself in it", async () => {
    const store = createMemoryStore();
    await store.start();
    onTestFinished(() => store.close());
    const node = makeNode({ store });
    await node.start();
    const connectionId = node.membership.nextConnectionId();
    await node.membership.open({ connectionId, userId: "ann" });
    await node.membership.join(connectionId, "hall");
    await node.close();
    expect(store.link.state).toBe("in-sync");
    expect((await store.servers.snapshot()).living).toEqual([]);
    expect(await store.counts.of("rooms")).toBe(0);
    expect(await store.counts.of("connections")).toBe(0);
  });

  it("ends what it had begun if its start fails", async () => {
    const hub = createMemoryHub();
    await makeNode({ serverId: "taken", store: await started(hub) }).start();
    const store = await started(hub);
    const node = makeNode({ serverId: "taken", store });
    expect(await codeOf(node.start())).toBe("server-id-taken");
    expect(await codeOf(node.router.toRoom("hall", "x"))).toBe("closed");
    expect(await codeOf(node.presence.countOnline())).toBe("closed");
    await node.close();
  });

  it("stops at once where it is shut down while it waits for Redis", async () => {
    const node = makeNode({ redisUrl: `redis://127.0.0.1:${await freePort()}`, onError: () => undefined });
    const start = codeOf(node.start());
    await node.close();
    expect(await start).toBe("closed");
  });

  it("stops at once where it is closed while it waits for the cleanup after a dead process with its id", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    await makeNode({ serverId: "one", store: await started(hub), onError: () => undefined }).start();
    now += 100_000;
    const store = await started(hub);
    expect(await store.upkeep.servers.claim({ serverId: "one" }, "another server", 60_000)).toBeDefined();
    let attempts = 0;
    const acquire = store.servers.acquire.bind(store.servers);
    store.servers.acquire = (...args) => {
      attempts++;
      return acquire(...args);
    };
    const node = makeNode({ serverId: "one", store });
    const start = codeOf(node.start());
    await eventually(() => expect(attempts).toBe(1));
    await node.close();
    expect(await start).toBe("closed");
    expect(attempts).toBe(1);
  });

  it("closes if another process took its id", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    const told: string[] = [];
    const node = makeNode({
      serverId: "one",
      store: await started(hub),
      // No sign of life may find the loss before the call below does.
      deadAfterMs: 0,
      onError: ({ code }, { stage }) => told.push(`${stage} ${code}`),
    });
    await node.start();
    now += 100_000;
    await makeNode({ serverId: "one", store: await started(hub) }).start();
    const connectionId = node.membership.nextConnectionId();
    expect(await codeOf(node.membership.open({ connectionId, userId: "ann" }))).toBe("server-id-taken");
    await node.close();
    expect(told).toContain("lease server-id-taken");
    expect(node.isReady).toBe(false);
  });

  it("cleans up after dead servers on request, and reports the number of entries", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    const dead = makeNode({ serverId: "dead", store: await started(hub), onError: () => undefined });
    await dead.start();
    for (const userId of ["ann", "bob"]) {
      await dead.membership.open({ connectionId: dead.membership.nextConnectionId(), userId });
    }
    await dead.store.close();
    await dead.close();
    const node = makeNode({ serverId: "alive", store: await started(hub) });
    await node.start();
    expect(await node.membership.reap("dead")).toBeUndefined();
    expect(await node.membership.reapExpired()).toBe(0);
    now += 100_000;
    expect(await node.membership.reapExpired()).toBe(2);
    expect(await node.store.counts.of("connections")).toBe(0);
    expect(await node.membership.reap("dead")).toBeUndefined();
    expect(await node.membership.reap("alive")).toBeUndefined();
    expect(await codeOf(node.membership.reap("not an id"))).toBe("id-invalid");
  });

  it("rejects calls with the fact that another process took its id, and closes", async () => {
    let now = 1_000_000;
    const hub = createMemoryHub({ now: () => now });
    const heard: unknown[] = [];
    const node = makeNode({
      serverId: "one",
      store: await started(hub),
      onError: () => undefined,
      onExpelled: (error) => heard.push(error.code),
    });
    await node.start();
    now += 100_000;
    await makeNode({ serverId: "one", store: await started(hub) }).start();
    const connectionId = node.membership.nextConnectionId();
    await codeOf(node.membership.open({ connectionId, userId: "ann" }));
    expect(await node.expelled).toMatchObject({ code: "server-id-taken" });
    expect(heard).toEqual(["server-id-taken"]);
    expect(node.phase).toBe("closing");
    await node.close();
  });
});

describe("the parts of a node", () => {
  /** Creates a part that records its calls, and whether the node's own parts worked at that time. */
  function part(name: string, steps: string[], node: () => Node | undefined, more: Partial<NodePart> = {}): NodePart {
    const note = (step: string) => async (): Promise<void> => {
      const living = await codeOf(node()?.store.servers.snapshot() ?? Promise.resolve());
      steps.push(`${step} ${name}: ${node()?.phase}, lease ${node()?.readiness().lease}, store ${living}`);
    };
    return { start: note("start"), close: note("close"), drain: note("drain"), ...more };
  }

  it("start last and in order, drain, and end first and in reverse", async () => {
    const steps: string[] = [];
    const parts = ["a", "b"].map((name) => part(name, steps, () => node));
    const node: Node = makeNode({ parts });
    await node.start();
    expect(node.drain({ overMs: 5 })).toBe(node.drain());
    await node.drain();
    await node.close();
    expect(steps).toEqual([
      "start a: starting, lease held, store done",
      "start b: starting, lease held, store done",
      "drain a: draining, lease held, store done",
      "drain b: draining, lease held, store done",
      "close b: closing, lease held, store done",
      "close a: closing, lease held, store done",
    ]);
    expect(await codeOf(node.drain())).toBe("done");
  });

  it("are ended, and all that was started before, if one fails to start", async () => {
    const steps: string[] = [];
    const store = createMemoryStore();
    await store.start();
    onTestFinished(() => store.close());
    const fails = part("b", steps, () => node, { start: () => Promise.reject(new CmError("port-in-use", "Taken.")) });
    const node: Node = makeNode({ store, parts: [part("a", steps, () => node), fails, part("c", steps, () => node)] });
    expect(await codeOf(node.start())).toBe("port-in-use");
    expect(steps.map((step) => step.split(":")[0])).toEqual(["start a", "close b", "close a"]);
    expect(node.phase).toBe("closing");
    expect((await store.servers.snapshot()).living).toEqual([]);
    expect(await codeOf(node.router.toRoom("hall", "x"))).toBe("closed");
    expect(store.link.state).toBe("in-sync");
  });

  it("don't keep the others from ending: a failure is reported", async () => {
    const told: string[] = [];
    const steps: string[] = [];
    const fails = part("a", steps, () => node, { close: () => Promise.reject(new Error("stuck")) });
    const node: Node = makeNode({
      parts: [part("b", steps, () => node), fails],
      onError: ({ code }, { stage }) => told.push(`${stage} ${code}`),
    });
    await node.start();
    await node.close();
    expect(told).toEqual(["link internal"]);
    expect(steps.at(-1)).toContain("close b");
    expect(node.store.link.state).toBe("closed");
  });

  it("refuses a store that another node uses, until that is closed, and one that was not started", async () => {
    const store = await started(createMemoryHub());
    const first = makeNode({ store });
    await first.start();
    await expect(makeNode({ store }).start()).rejects.toMatchObject({
      code: "options-invalid",
      message: "store must be a store that no other node uses; create one store per node.",
      details: { field: "store" },
    });
    expect(first.isReady).toBe(true);
    await first.close();
    const second = makeNode({ store });
    await second.start();
    expect(second.isReady).toBe(true);
    await expect(makeNode({ store: createMemoryStore() }).start()).rejects.toMatchObject({
      code: "closed",
      message: expect.stringContaining("await its start() before that of the node"),
    });
  });

  it("is drained over 10 s by default, and not with invalid options", async () => {
    const drains: unknown[] = [];
    const fails = async (): Promise<void> => {
      throw new CmError("internal", "no drain");
    };
    const part = { start: async () => undefined, close: async () => undefined };
    const node = makeNode({ parts: [{ ...part, drain: async (options) => void drains.push(options) }] });
    await node.start();
    // Pass invalid options, as plain JavaScript may.
    for (const options of [null, { overMs: -1 }, { overMS: 5 }] as unknown as { overMs: number }[]) {
      await expect(node.drain(options)).rejects.toMatchObject({ code: "options-invalid" });
    }
    expect(node.phase).toBe("serving");
    await node.drain();
    expect(drains).toEqual([{ overMs: 10_000 }]);
    const early = makeNode({ parts: [part] });
    const starting = early.start();
    await expect(early.drain()).rejects.toMatchObject({ code: "unavailable" });
    await starting;
    expect(early.phase).toBe("serving");
    const broken = makeNode({ parts: [{ ...part, drain: fails }] });
    await broken.start();
    await expect(broken.drain()).rejects.toMatchObject({ message: "no drain" });
  });

  it("names the call and start() in the error of each call that came before its start", async () => {
    const node = makeNode();
    const { store } = node;
    const ofParts = Object.entries(partCalls(node)).flatMap(([part, calls]) =>
      Object.entries(calls).map(([name, call]) => [`${part}.${name}`, call] as const),
    );
    const calls: Record<string, () => Promise<unknown>> = {
      ...Object.fromEntries(ofParts),
      "users.states": () => store.users.states(["ann"]),
      "bus.publish": () => store.bus.publish({ kind: "room", name: "hall" }, new Uint8Array(1)),
      "node.drain": () => node.drain(),
    };
    for (const [call, make] of Object.entries(calls)) {
      await expect(make()).rejects.toMatchObject({
        code: call === "node.drain" ? "unavailable" : "closed",
        message: `${call}() was called before start() had resolved; await start() first.`,
        details: { call },
      });
    }
  });
});

describe("a closed node", () => {
  it.each([true, false])(
    "fails every call with closed, also if it was never started (started: %s)",
    async (isStarted) => {
      const node = makeNode();
      // Made before the end: the ids come from the membership.
      const calls = partCalls(node);
      if (isStarted) await node.start();
      await node.close();
      const starts = {
        node: () => node.start(),
        router: () => node.router.start(),
        membership: () => node.membership.start(),
      };
      for (const table of [...Object.values(calls), starts]) {
        expect(await callsNotRejectedWith("closed", table)).toEqual({});
      }
      const removals = { leave: () => node.membership.leave("a.1", "hall"), close: () => node.membership.close("a.1") };
      expect(await callsNotRejectedWith("closed", removals)).toEqual({ leave: "done", close: "done" });
      expect(await node.membership.checkLease()).toBe(false);
      await node.drain();
    },
  );
});

/** Every call of a node's parts that must fail before the start and after the end, by part. */
function partCalls({ router, membership, presence }: Node) {
  const id = membership.nextConnectionId();
  const watcher = { snapshot: () => undefined, change: () => undefined };
  const time = { timeoutMs: 1_000 };
  const ofRouter: CallTable<Router, "start" | "close"> = {
    enter: () => router.enter("hall"),
    toRoom: () => router.toRoom("hall", "x"),
    toConnection: () => router.toConnection(id, "x"),
    toUser: () => router.toUser("ann", "x"),
    toServer: () => router.toServer("alpha", new Uint8Array(1)),
    control: () => router.control("alpha", { type: "ping" }, time),
    ask: () => router.ask(new Uint8Array(1), time),
    recover: () => router.recover("hall", { epoch: 1, offset: 1 }, { maxMessages: 1, maxBytes: 1 }, () => 0),
  };
  const ofMembership: CallTable<Membership, "start" | "checkLease" | "close" | "leave" | "shutdown"> = {
    open: () => membership.open({ connectionId: id, userId: "ann" }),
    update: () => membership.update(id, 1),
    join: () => membership.join(id, "hall"),
    reap: () => membership.reap("dead"),
    reapExpired: () => membership.reapExpired(),
  };
  const ofPresence: CallTable<Presence, "close"> = {
    get: () => presence.get("ann"),
    getMany: () => presence.getMany(["ann"]),
    online: () => presence.online({ limit: 10 }),
    countOnline: () => presence.countOnline(),
    roster: () => presence.roster("hall", { limit: 10 }),
    countMembers: () => presence.countMembers("hall"),
    readComplete: () => presence.readComplete(async () => undefined),
    watchUser: () => presence.watchUser("ann", watcher),
    watchUsers: () => presence.watchUsers(["ann"], watcher),
    watchAll: () => presence.watchAll(watcher),
    watchRoom: () => presence.watchRoom("hall", watcher),
  };
  return { router: ofRouter, membership: ofMembership, presence: ofPresence };
}

async function started(hub: ReturnType<typeof createMemoryHub>) {
  const store = createMemoryStore({ hub });
  await store.start();
  onTestFinished(() => store.close());
  return store;
}
