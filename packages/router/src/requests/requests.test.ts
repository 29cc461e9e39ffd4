import { createMemoryHub, createMemoryStore, type MemoryHub } from "@cm/memory-store";
import {
  type Bus,
  CmError,
  createConnectionIdSource,
  decodeEnvelope,
  encodeControl,
  encodeEnvelope,
  type Published,
  type ServerOperation,
} from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { ControlHandler, RouterOptions, RouterStore } from "../options.js";
import { bytes, type Server, startServer, text } from "../router.fixture.js";

const SOON = { confirmMs: 10_000 };
const IN_TIME = { timeoutMs: 10_000 };
const AT_ONCE_MS = 2_000;

/** A handler that never settles. */
const stuck = (): Promise<never> => new Promise(() => undefined);

describe("requests to other servers", () => {
  let hub: MemoryHub;

  beforeEach(() => {
    hub = createMemoryHub();
  });

  const start = (id: string, options?: Partial<RouterOptions>): Promise<Server> =>
    startServer(id, createMemoryStore({ hub }), options);

  /** Starts a server whose router uses these parts instead of the store's. */
  function startWith(id: string, parts: Partial<RouterStore>, options?: Partial<RouterOptions>): Promise<Server> {
    const store = createMemoryStore({ hub });
    const { bus, users, servers } = store;
    return startServer(id, store, { ...options, store: { bus, users, servers, ...parts } });
  }

  /** Starts a server that is subscribed to its channel but never responds. */
  async function startMute(serverId: string): Promise<{ readonly heard: Uint8Array[]; readonly bus: Bus }> {
    const store = createMemoryStore({ hub });
    onTestFinished(() => store.close());
    await store.start();
    const heard: Uint8Array[] = [];
    await store.bus.subscribe({ kind: "server", name: serverId }, (message) => heard.push(message.slice()));
    return { heard, bus: store.bus };
  }

  /** Publishes a control message to a server, as another server would. */
  function publish(bus: Bus, to: string, origin: string, sequence: number, payload: Uint8Array): Promise<Published> {
    const message = { kind: "control", origin, epoch: 1, sequence, target: to, except: [], payload } as const;
    return bus.publish({ kind: "server", name: to }, encodeEnvelope(message));
  }

  const request = (operation: ServerOperation) => encodeControl({ type: "request", timeoutMs: 1_000, operation });

  /** The control messages among the received ones. */
  function controlsIn(heard: readonly Uint8Array[]) {
    return heard.flatMap((message) => {
      const decoded = decodeEnvelope(message);
      return decoded.ok && decoded.value.kind === "control" ? [decoded.value] : [];
    });
  }

  async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly tookMs: number }> {
    const from = performance.now();
    return { value: await work, tookMs: performance.now() - from };
  }

  describe("that deliver", () => {
    it("say delivered when a socket or the application took it, and not-found when none did", async () => {
      const [a, b] = [await start("a"), await start("b")];
      const [there, gone] = [b.nextId(), b.nextId()];
      b.sockets.connections.add(there);
      b.sockets.users.add("ann");
      await b.store.users.add(b.lease, [
        { userId: "ann", connectionId: there },
        { userId: "bob", connectionId: gone },
      ]);
      expect(await a.router.toConnection(there, bytes("1"), SOON)).toBe("delivered");
      expect(await a.router.toConnection(gone, bytes("2"), SOON)).toBe("not-found");
      expect(await a.router.toUser("ann", bytes("3"), SOON)).toBe("delivered");
      expect(await a.router.toUser("bob", bytes("4"), SOON)).toBe("not-found");
      expect(await a.router.toUser("nobody", bytes("5"), SOON)).toBe("not-found");
      expect(await a.router.toServer("b", bytes("6"), SOON)).toBe("delivered");
      expect(await a.router.toServer("a", bytes("7"), SOON)).toBe("delivered");
      expect(b.sockets.directs.map((direct) => direct.text)).toEqual(["1", "3"]);
      expect(b.messages).toEqual([{ origin: "a", text: "6" }]);
      expect(a.messages).toEqual([{ origin: "a", text: "7" }]);
      expect(a.router.stats()).toMatchObject({ pendingAnswers: 0, lateAnswers: 0, gaps: 0 });
    });

    it("resolve with delivered if one of a user's servers delivered, otherwise with timeout if one was silent", async () => {
      const [a, b] = [await start("a"), await start("b")];
      await startMute("m");
      const mute = createConnectionIdSource({ serverId: "m" });
      const lease = await a.store.servers.acquire(
        { serverId: "m", incarnation: mute.incarnation, partitionBits: mute.partitionBits, host: "localhost", port: 1 },
        60_000,
      );
      await a.store.users.add(lease, [{ userId: "ann", connectionId: mute.next() }]);
      await b.store.users.add(b.lease, [{ userId: "ann", connectionId: b.nextId() }]);
      expect(await a.router.toUser("ann", bytes("x"), { confirmMs: 50 })).toBe("timeout");
      b.sockets.users.add("ann");
      expect(await a.router.toUser("ann", bytes("x"), { confirmMs: 50 })).toBe("delivered");
    });

    it("resolve with not-found at once if no server subscribes to the owner's channel", async () => {
      const a = await start("a");
      const stranger = createConnectionIdSource({ serverId: "nobody" }).next();
      const { value, tookMs } = await timed(a.router.toConnection(stranger, bytes("x"), SOON));
      expect(value).toBe("not-found");
      expect(tookMs).toBeLessThan(AT_ONCE_MS);
    });

    it("time out if the owner is silent, and resolve with not-found once it is declared dead", async () => {
      const a = await start("a");
      await startMute("m");
      expect(await a.router.toServer("m", bytes("x"), { confirmMs: 30 })).toBe("timeout");
      const asked = timed(a.router.toServer("m", bytes("x"), SOON));
      a.router.serverLost("m");
      expect((await asked).value).toBe("not-found");
      expect((await asked).tookMs).toBeLessThan(AT_ONCE_MS);
    });

    it("settle when the owner dies between the request and its answer", async () => {
      const a = await start("a");
      const carriedOut: string[] = [];
      const b = await start("b", {
        onControl: (operation) => {
          carriedOut.push(operation.type);
          return stuck();
        },
      });
      const asked = a.router.control("b", { type: "drain" }, { timeoutMs: 300 });
      const alsoAsked = timed(a.router.control("b", { type: "drain" }, IN_TIME));
      await eventually(() => expect(carriedOut).toHaveLength(2));
      await b.router.close();
      await b.store.close();
      expect(await asked).toBe("timeout");
      a.router.serverLost("b");
      expect((await alsoAsked).value).toBe("not-found");
      // From now on the channel has no subscriber.
      expect(await a.router.control("b", { type: "ping" }, IN_TIME)).toBe("not-found");
      expect(a.router.stats().pendingAnswers).toBe(0);
    });

    it("all settle, a thousand of them to a server that is silent, and leave nothing behind", async () => {
      const a = await start("a");
      await startMute("m");
      const asked = Array.from({ length: 1_000 }, () => a.router.toServer("m", bytes("x"), { confirmMs: 200 }));
      await eventually(() => expect(a.router.stats().pendingAnswers).toBe(1_000));
      expect(new Set(await Promise.all(asked))).toEqual(new Set(["timeout"]));
      expect(a.router.stats().pendingAnswers).toBe(0);
    });

    it("are refused if too many wait, and taken again when those have settled", async () => {
      const a = await start("a", { maxPending: 2 });
      const b = await start("b");
      await startMute("m");
      const waiting = [1, 2].map(() => a.router.toServer("m", bytes("x"), { confirmMs: 300 }));
      await expect(a.router.toServer("b", bytes("y"), SOON)).rejects.toMatchObject({ code: "pending-limit" });
      await Promise.all(waiting);
      expect(await a.router.toServer("b", bytes("z"), SOON)).toBe("delivered");
      expect(b.messages).toEqual([{ origin: "a", text: "z" }]);
    });

    it("fail with closed when the router closes, and what is asked after that too", async () => {
      const a = await start("a");
      await startMute("m");
      const asked = a.router.toServer("m", bytes("x"), SOON);
      const closed = expect(asked).rejects.toMatchObject({ code: "closed" });
      await a.router.close();
      await closed;
      await expect(a.router.toServer("m", bytes("x"), SOON)).rejects.toMatchObject({ code: "closed" });
      await expect(a.router.ask(bytes("x"), IN_TIME)).rejects.toMatchObject({ code: "closed" });
    });

    it("fail with the bus's own code if it can't be reached", async () => {
      const a = await start("a");
      await a.store.close();
      await expect(a.router.toServer("b", bytes("x"), SOON)).rejects.toMatchObject({ code: "closed" });
      expect(a.router.stats().pendingAnswers).toBe(0);
    });

    it("refuse a time that is none before anything is sent", async () => {
      const [a, b] = [await start("a"), await start("b")];
      for (const confirmMs of [0, -1, 0.5, Number.NaN, 600_001]) {
        await expect(a.router.toServer("b", bytes("x"), { confirmMs })).rejects.toMatchObject({
          code: "options-invalid",
        });
      }
      expect(b.messages).toEqual([]);
    });

    it("carry out a request that arrives twice once", async () => {
      const b = await start("b");
      const { bus } = await startMute("x");
      const twice = request({ type: "deliver-server", payload: bytes("once") });
      for (const sequence of [1, 1, 2, 1]) await publish(bus, "b", "x", sequence, twice);
      await eventually(() => expect(b.router.stats()).toMatchObject({ duplicates: 2, received: 2 }));
      expect(b.messages).toEqual([
        { origin: "x", text: "once" },
        { origin: "x", text: "once" },
      ]);
    });

    it("take an answer from the server that was asked only, once, and count the others", async () => {
      const a = await start("a");
      const { heard, bus } = await startMute("m");
      const asked = a.router.toServer("m", bytes("x"), SOON);
      await eventually(() => expect(controlsIn(heard)).toHaveLength(1));
      const [to = { epoch: 0, sequence: 0 }] = controlsIn(heard);
      const answer = (type: "not-found" | "done") =>
        encodeControl({ type: "answer", to, outcome: type === "done" ? { type, body: bytes("") } : { type } });
      await publish(bus, "a", "liar", 1, answer("not-found"));
      await publish(bus, "a", "m", 1, answer("done"));
      await publish(bus, "a", "m", 2, answer("not-found"));
      expect(await asked).toBe("delivered");
      await eventually(() => expect(a.router.stats()).toMatchObject({ lateAnswers: 2, damaged: 0 }));
    });

    it("count what is no request and no answer as damaged, and answer what a newer server asks", async () => {
      const b = await start("b");
      const { heard, bus } = await startMute("newer");
      const newer = request({ type: "ping" });
      newer[0] = 77;
      await publish(bus, "b", "newer", 1, newer);
      await publish(bus, "b", "newer", 2, bytes("\u0000garbage"));
      await publish(bus, "b", "newer", 0, request({ type: "ping" }));
      await publish(bus, "b", "newer", 2, request({ type: "deliver-user", userId: "u", frame: Uint8Array.of(0xff) }));
      await eventually(() => expect(controlsIn(heard)).toHaveLength(2));
      expect(controlsIn(heard).map(({ payload }) => text(payload.subarray(12)))).toEqual([
        "operation-unknown",
        "frame-not-text",
      ]);
      expect(b.router.stats()).toMatchObject({ unknownOperations: 1, damaged: 2 });
    });
  });

  describe("that read a registry which hangs", () => {
    const stuckServers = { snapshot: stuck };
    const stuckUsers = { states: stuck };

    it("time out, and deliver nothing when the registry answers later", async () => {
      let look = (): void => undefined;
      const looked = new Promise<void>((resolve) => {
        look = resolve;
      });
      const store = createMemoryStore({ hub });
      onTestFinished(() => store.close());
      await store.start();
      const { users } = store;
      const states = async (...args: Parameters<typeof users.states>) => {
        await looked;
        return users.states(...args);
      };
      const a = await startWith("a", { users: { states } });
      a.sockets.users.add("ann");
      expect(await a.router.toUser("ann", bytes("x"), { confirmMs: 50 })).toBe("timeout");
      look();
      expect(await a.router.toUser("ann", bytes("y"), SOON)).toBe("delivered");
      expect(a.sockets.directs).toEqual([{ to: "ann", text: "y" }]);
    });

    it("time out where only the registry can tell that the user has no connection", async () => {
      const a = await startWith("a", { servers: stuckServers }, { holdsLease: () => true });
      expect(await a.router.toUser("ann", bytes("x"), { confirmMs: 50 })).toBe("timeout");
      const b = await startWith("b", { users: stuckUsers });
      expect(await b.router.toUser("ann", bytes("x"), { confirmMs: 50 })).toBe("timeout");
    });

    it("reject a question with timeout", async () => {
      const a = await startWith("a", { servers: stuckServers });
      await expect(a.router.ask(bytes("?"), { timeoutMs: 50 })).rejects.toMatchObject({ code: "timeout" });
    });
  });

  describe("that control", () => {
    it("reach the handler of the server that holds the connection, here or elsewhere", async () => {
      const seen: unknown[] = [];
      const onControl: ControlHandler = async (operation) => {
        seen.push(operation);
        return "done";
      };
      const [a, b] = [await start("a", { onControl }), await start("b", { onControl })];
      const [here, there] = [a.nextId(), b.nextId()];
      for (const id of [here, there]) {
        expect(await a.router.control(id, { type: "disconnect", reason: "terminated" }, IN_TIME)).toBe("done");
        expect(await a.router.control(id, { type: "join", room: "lobby" }, IN_TIME)).toBe("done");
        expect(await a.router.control(id, { type: "leave", room: "lobby" }, IN_TIME)).toBe("done");
      }
      for (const id of ["a", "b"]) {
        expect(await a.router.control(id, { type: "drain" }, IN_TIME)).toBe("done");
        expect(await a.router.control(id, { type: "ping" }, IN_TIME)).toBe("done");
      }
      const of = (connectionId: string) => [
        { type: "disconnect", connectionId, reason: "terminated" },
        { type: "join", connectionId, room: "lobby" },
        { type: "leave", connectionId, room: "lobby" },
      ];
      expect(seen).toEqual([...of(here), ...of(there), { type: "drain" }, { type: "drain" }]);
    });

    it("ask this very server without the bus", async () => {
      const a = await start("a", { onControl: async () => "not-found" });
      await a.store.close();
      expect(await a.router.control(a.nextId(), { type: "leave", room: "r" }, IN_TIME)).toBe("not-found");
      expect(await a.router.control("a", { type: "ping" }, IN_TIME)).toBe("done");
    });

    it("transfer the handler's refusal with its code, and hide errors without a code", async () => {
      const onControl: ControlHandler = async ({ type }) => {
        if (type === "join") throw new CmError("rooms-limit", "Full.");
        throw new Error("a secret");
      };
      const [a, b] = [await start("a", { onControl }), await start("b", { onControl })];
      for (const id of [a.nextId(), b.nextId()]) {
        const join = a.router.control(id, { type: "join", room: "r" }, IN_TIME);
        await expect(join).rejects.toMatchObject({ code: "rooms-limit", details: { serverId: id.slice(0, 1) } });
        const leave = a.router.control(id, { type: "leave", room: "r" }, IN_TIME);
        await expect(leave).rejects.toMatchObject({
          code: "internal",
          message: expect.not.stringContaining("secret"),
        });
      }
    });

    it("are refused if the application has no handler, and time out if it never ends", async () => {
      const a = await start("a");
      const b = await start("b", { onControl: stuck });
      await expect(a.router.control("a", { type: "drain" }, IN_TIME)).rejects.toMatchObject({
        code: "operation-unknown",
      });
      expect(await a.router.control("b", { type: "drain" }, { timeoutMs: 50 })).toBe("timeout");
      expect(await b.router.control("b", { type: "drain" }, { timeoutMs: 50 })).toBe("timeout");
    });

    it("do not pile up if handlers never end: places come free when nobody waits any more", async () => {
      const a = await start("a");
      await start("b", { onControl: stuck, maxPending: 2 });
      const stuckOnes = [1, 2].map(() => a.router.control("b", { type: "drain" }, { timeoutMs: 200 }));
      await expect(a.router.control("b", { type: "drain" }, IN_TIME)).rejects.toMatchObject({ code: "pending-limit" });
      expect(await Promise.all(stuckOnes)).toEqual(["timeout", "timeout"]);
      await eventually(async () => expect(await a.router.control("b", { type: "ping" }, IN_TIME)).toBe("done"));
    });

    it("refuse ids and rooms that are none", async () => {
      const a = await start("a");
      const on = (target: string, room: string) => a.router.control(target, { type: "join", room }, IN_TIME);
      await expect(on("a", "r")).rejects.toMatchObject({ code: "id-invalid" });
      await expect(on(a.nextId(), "")).rejects.toMatchObject({ code: "name-invalid" });
      await expect(a.router.control(a.nextId(), { type: "ping" }, IN_TIME)).rejects.toMatchObject({
        code: "id-invalid",
      });
      await expect(a.router.control("a", { type: "ping" }, { timeoutMs: 0 })).rejects.toMatchObject({
        code: "options-invalid",
      });
    });
  });
});
