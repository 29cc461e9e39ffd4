import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { type Bus, type CmError, encodeEnvelope, type LocalDelivery } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it } from "vitest";
import type { RouterOptions } from "./options.js";
import { frame, upTo } from "./recovery/recoverable-rooms.fixture.js";
import { bytes, Sockets, startServer, text } from "./router.fixture.js";

const BUG = new Error("a bug");
const REPORTED = { stage: "handler", error: { code: "internal", cause: BUG } };

/** The two ways in which a callback can fail. An async function fits a callback of the type `void`. */
const FAILURES: readonly [string, () => never][] = [
  [
    "throw",
    () => {
      throw BUG;
    },
  ],
  // In plain JavaScript, a callback of any type may be an async function.
  ["reject", () => Promise.reject(BUG) as never],
];

const hub = () => {
  const shared = createMemoryHub();
  return () => createMemoryStore({ hub: shared, onError: () => undefined });
};

/** Collects the errors of a router, and replaces some of its sockets. */
function observed(local: Partial<LocalDelivery> = {}, options: Partial<RouterOptions> = {}) {
  const errors: { error: CmError; stage: string }[] = [];
  const sockets = new Sockets();
  const partly = Object.assign(Object.create(sockets) as LocalDelivery, local);
  const onError: RouterOptions["onError"] = (error, { stage }) => errors.push({ error, stage });
  return { errors, sockets, options: { local: partly, onError, ...options } };
}

describe.each(FAILURES)("callbacks of a router that %s", (_, fail) => {
  it("do not stop the messages of a room, and are reported", async () => {
    const store = hub();
    const a = await startServer("a", store());
    const b = observed({
      toRoom(room, given, except) {
        b.sockets.toRoom(room, given, except);
        return text(given) === "1" ? fail() : undefined;
      },
    });
    const server = await startServer("b", store(), b.options);
    await server.router.enter("lobby");
    for (const n of ["1", "2"]) await a.router.toRoom("lobby", n);
    await eventually(() => expect(b.sockets.rooms.map((message) => message.text)).toEqual(["1", "2"]));
    await eventually(() => expect(b.errors).toMatchObject([REPORTED]));
  });

  it("do not stop the messages of a recoverable room that are read from its history", async () => {
    const store = hub();
    const a = await startServer("a", store(), { isRecoverable: () => true });
    const b = observed({
      toRoom(room, given, except) {
        b.sockets.toRoom(room, given, except);
        return fail();
      },
    });
    const own = store();
    const { bus } = own;
    let arrived = 0;
    // The first message is lost on its way, so that the second one has the router read the history.
    const lossy: Bus = {
      publish: (channel, message) => bus.publish(channel, message),
      subscribe: (channel, handler) =>
        bus.subscribe(channel, (message) => {
          if (channel.kind === "server" || arrived++ > 0) handler(message);
        }),
      ...(bus.history && { history: bus.history }),
    };
    const server = await startServer("b", own, {
      ...b.options,
      store: { bus: lossy, users: own.users },
      isRecoverable: () => true,
    });
    await server.router.enter("lobby");
    for (const n of upTo(3)) await a.router.toRoom("lobby", frame(n));
    await eventually(() => expect(b.sockets.rooms).toHaveLength(3));
    await eventually(() => expect(b.errors).toHaveLength(3));
  });

  it("do not keep a user's message from the other servers", async () => {
    const store = hub();
    const a = observed({ toUser: fail });
    const server = await startServer("a", store(), a.options);
    const b = await startServer("b", store());
    await b.store.users.add(b.lease, [{ userId: "ann", connectionId: b.nextId() }]);
    b.sockets.users.add("ann");
    expect(await server.router.toUser("ann", "1")).toBe("sent");
    expect(await server.router.toUser("ann", "2", { confirmMs: 5_000 })).toBe("delivered");
    await eventually(() => expect(b.sockets.directs.map((message) => message.text)).toEqual(["1", "2"]));
    await eventually(() => expect(a.errors).toMatchObject([REPORTED, REPORTED]));
  });

  it("do not stop what follows on the server's own channel", async () => {
    const store = hub();
    const seen: string[] = [];
    const b = observed(
      { toConnection: fail },
      {
        onServerMessage: ({ payload }) => {
          seen.push(text(payload));
          return fail();
        },
      },
    );
    const server = await startServer("b", store(), b.options);
    const a = await startServer("a", store());
    await a.router.toConnection(server.nextId(), "1");
    for (const payload of ["2", "3"]) await a.router.toServer("b", bytes(payload));
    await eventually(() => expect(seen).toEqual(["2", "3"]));
    expect(await a.router.control("b", { type: "ping" }, { timeoutMs: 5_000 })).toBe("done");
  });

  it("do not keep a gap from being counted, and the message after it from being delivered", async () => {
    const store = hub();
    const b = observed({}, { onGap: fail });
    const server = await startServer("b", store(), b.options);
    await server.router.enter("lobby");
    for (const sequence of [1, 3]) {
      const message = { kind: "room", origin: "x", epoch: 1, sequence, target: "lobby", except: [] } as const;
      await server.store.bus.publish(
        { kind: "room", name: "lobby" },
        encodeEnvelope({ ...message, payload: bytes("{}") }),
      );
    }
    await eventually(() => expect(b.sockets.rooms).toHaveLength(2));
    await eventually(() => expect(b.errors).toMatchObject([REPORTED]));
    expect(server.router.stats()).toMatchObject({ gaps: 1, missed: 1 });
  });
});
