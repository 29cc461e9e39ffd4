import { createMemoryStore } from "@cm/memory-store";
import { type Bus, CLOSE_CODES, CmError } from "@cm/protocol";
import { type CallTable, callsNotRejectedWith, eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Gateway } from "../gateway.js";
import type { GatewayOptions } from "../gateway-options.js";
import { createGateway, type Refusal } from "../index.js";
import { connect, serve } from "./embedded-gateway.fixture.js";

const ALL_HOOKS = {
  onConnect: { type: "hello", version: 1 },
  onJoin: { type: "join", room: "hall" },
  onPublish: { type: "publish", room: "lobby", data: 1 },
  onSend: { type: "send", user: "ann", data: 1 },
  onMembers: { type: "members", room: "lobby" },
} as const;

type HookName = keyof typeof ALL_HOOKS;
const NAMES = Object.keys(ALL_HOOKS) as HookName[];

/** Sends the request that the hook decides about, to a gateway with only that hook. */
async function askFor(name: HookName, hook: (...given: readonly unknown[]) => never) {
  const { port, logged, errors, gateway } = await serve({ [name]: hook });
  const client = await connect(port, "ann");
  if (name !== "onConnect") {
    await client.hello();
    expect(await client.ask({ type: "join", room: "lobby" })).toMatchObject({ type: expect.any(String) });
  }
  return { answer: await client.ask(ALL_HOOKS[name]), client, logged, errors, gateway };
}

/** Casts a function to the type of any hook. The gateway has to handle any value that it returns. */
function hook(does: (...given: readonly unknown[]) => unknown): (...given: readonly unknown[]) => never {
  return does as (...given: readonly unknown[]) => never;
}

describe("a hook of an embedded gateway", () => {
  it.each(NAMES)("%s is notified of the connection and the request, and allows it at once or later", async (name) => {
    for (const later of [false, true]) {
      const given: unknown[][] = [];
      const { answer } = await askFor(
        name,
        hook((...all) => {
          given.push([...all]);
          return later ? new Promise((resolve) => setTimeout(resolve, 20)) : undefined;
        }),
      );
      expect(answer.type).toMatch(/^(ack|welcome|members)$/);
      const [connection, request] = given.at(-1) ?? [];
      expect(connection).toEqual({ id: expect.any(String), userId: "ann", data: { role: "role of ann" } });
      const { type: _, version: __, user, ...facts } = { version: 0, user: undefined, ...ALL_HOOKS[name] };
      if (name !== "onConnect") expect(request).toEqual(user === undefined ? facts : { ...facts, to: { user } });
    }
  });

  it.each(NAMES)("%s refuses with the code that it throws or returns, without a log line", async (name) => {
    for (const refuse of [
      () => Promise.reject(new CmError("unauthorized", "Not you.")),
      () => {
        throw new CmError("unauthorized", "Not you.");
      },
      () => ({ refuse: "unauthorized", message: "Not you." }),
    ]) {
      const { answer, logged, client } = await askFor(name, hook(refuse));
      if (name === "onJoin") expect(client.frames.filter(({ type }) => type === "ack")).toEqual([]);
      expect(answer).toMatchObject({ type: "error", code: "unauthorized", message: "Not you.", retryable: false });
      expect(logged).toEqual([]);
    }
  });

  it.each(NAMES)("%s refuses with internal, and a line in the log, if it throws something else", async (name) => {
    for (const fail of [
      () => {
        throw new Error("the password is 12345");
      },
      () => ({ refuse: "no such code" }),
    ]) {
      const { answer, logged, errors } = await askFor(name, hook(fail));
      expect(answer).toMatchObject({ type: "error", code: "internal" });
      expect(JSON.stringify(answer)).not.toContain("12345");
      expect(logged).toEqual(["a hook failed: internal"]);
      expect(errors).toMatchObject([{ hook: name }]);
    }
  });

  it.each(NAMES)("%s refuses with timeout, and a line in the log, if it takes too long", async (name) => {
    const { answer, logged } = await askFor(
      name,
      hook(() => new Promise(() => undefined)),
    );
    expect(answer).toMatchObject({ type: "error", code: "timeout", retryable: true });
    expect(logged).toEqual(["a hook failed: timeout"]);
  });

  it("onConnect keeps a user offline while it decides, so that no message to the user counts as delivered", async () => {
    const pending: ((outcome: Refusal) => void)[] = [];
    const { port } = await serve({
      hookTimeoutMs: 60_000,
      onConnect: ({ userId }) => (userId === "ann" ? new Promise((resolve) => void pending.push(resolve)) : undefined),
    });
    const [ann, bob] = [await connect(port, "ann"), await connect(port, "bob")];
    await bob.hello();
    ann.send({ type: "hello", version: 1 });
    await eventually(() => expect(pending).toHaveLength(1));
    for (const confirm of [false, true]) {
      const answer = await bob.ask({ type: "send", user: "ann", data: 1, confirm });
      expect(answer).toMatchObject({ type: "error", code: "not-found" });
    }
    pending[0]?.({ refuse: "unauthorized" });
    await eventually(() => expect(ann.closed()).toBe(CLOSE_CODES.unauthorized));
    expect(ann.frames).toEqual([expect.objectContaining({ type: "error", code: "unauthorized" })]);
  });

  it("onConnect closes a refused connection, and nothing of it is left", async () => {
    const { gateway, port } = await serve({ onConnect: () => ({ refuse: "unauthorized" }) });
    const client = await connect(port, "ann");
    await client.hello();
    await eventually(() => expect(client.closed()).toBe(CLOSE_CODES.unauthorized));
    expect(gateway.node.membership.stats().connections).toBe(0);
  });

  it("onJoin keeps a refused client out of the room, and takes none of its rooms", async () => {
    const onJoin: GatewayOptions["onJoin"] = (_, { room }) =>
      room === "open" ? undefined : { refuse: "unauthorized" };
    const { gateway, port } = await serve({ maxRooms: 1, onJoin });
    const client = await connect(port, "ann");
    await client.hello();
    expect(await client.ask({ type: "join", room: "shut" })).toMatchObject({ code: "unauthorized" });
    expect(await gateway.node.store.rooms.count("shut")).toBe(0);
    expect(await client.ask({ type: "publish", room: "shut", data: 1 })).toMatchObject({ code: "not-a-member" });
    expect(await client.ask({ type: "join", room: "open" })).toMatchObject({ type: "ack" });
  });

  it("keeps a connection's messages in the order in which they were sent, however long each is judged", async () => {
    let waits = 0;
    const judge = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, waits++ % 2 === 0 ? 30 : 0));
    const { port } = await serve({ onJoin: judge, onPublish: judge, onSend: judge });
    const [ann, bob] = [await connect(port, "ann"), await connect(port, "bob")];
    await Promise.all([ann.hello(), bob.hello()]);
    await bob.ask({ type: "join", room: "hall" });
    ann.send({ type: "join", room: "hall" });
    for (const data of [1, 2, 3, 4]) ann.send({ type: "publish", room: "hall", data });
    for (const data of [5, 6, 7, 8]) ann.send({ type: "send", user: "bob", data });
    const left = ann.send({ type: "leave", room: "hall" });
    const dataOf = (type: string) => bob.frames.filter((frame) => frame.type === type).map(({ data }) => data);
    await eventually(() => expect([...dataOf("message"), ...dataOf("direct")]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(await ann.answer(left)).toMatchObject({ type: "ack" });
    expect(ann.frames.filter(({ type }) => type === "error")).toEqual([]);
  });

  it("onClose is called once for each connection that sent hello, and an error that it throws is logged", async () => {
    const ends: unknown[] = [];
    const { port, logged } = await serve({
      onClose: (connection, end) => {
        ends.push([connection.userId, end.code]);
        throw new Error("no");
      },
    });
    const [ann, silent] = [await connect(port, "ann"), await connect(port, "silent")];
    await ann.hello();
    silent.socket.close();
    ann.socket.close(4321, "bye");
    await eventually(() => expect(logged).toEqual(["a hook failed: internal"]));
    expect(ends).toEqual([["ann", 4321]]);
  });
});

describe("an embedded gateway", () => {
  it("authenticates with the application's own function, and answers its routes beside its own", async () => {
    const { port } = await serve({
      authenticate: async ({ query }) => {
        if (query !== "ann") throw new CmError("unauthorized", "Who are you?");
        return { userId: "ann" };
      },
      routes: { "/hello": () => ({ status: 200, body: "hello" }) },
    });
    await expect(connect(port, "eve")).rejects.toThrow("401");
    const ann = await connect(port, "ann");
    expect(await ann.hello()).toMatchObject({ type: "welcome", user: "ann" });
    const url = `http://127.0.0.1:${port}`;
    expect(await (await fetch(`${url}/hello`)).text()).toBe("hello");
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ ready: true, phase: "serving" });
    expect((await fetch(`${url}/`)).status).toBe(404);
  });

  it("takes a store without a history, if no room is recoverable", async () => {
    const whole = createMemoryStore();
    await whole.start();
    onTestFinished(() => whole.close());
    const { servers, connections, users, rooms, roomRecords, counts, partitions, upkeep, link } = whole;
    const bus: Bus = {
      publish: (...args) => whole.bus.publish(...args),
      subscribe: (...args) => whole.bus.subscribe(...args),
    };
    const life = { start: () => whole.start(), close: () => whole.close() };
    const store = { bus, servers, connections, users, rooms, roomRecords, counts, partitions, upkeep, link, ...life };
    const { port } = await serve({ store });
    const ann = await connect(port, "ann");
    await ann.hello();
    expect(await ann.ask({ type: "join", room: "lobby" })).toMatchObject({ type: "ack" });
    await expect(serve({ store, recoverableRooms: ["lobby"] })).rejects.toThrow(/history/);
  });

  it("leaves a store that it was given open, and lets the application publish through its node", async () => {
    const store = createMemoryStore();
    await store.start();
    onTestFinished(() => store.close());
    const { gateway, port } = await serve({ store });
    const ann = await connect(port, "ann");
    await ann.hello();
    await ann.ask({ type: "join", room: "hall" });
    await gateway.node.router.toRoom("hall", '{"type":"news"}');
    await eventually(() => expect(ann.frames).toContainEqual({ type: "news" }));
    await gateway.close();
    expect(store.link.state).toBe("in-sync");
    expect((await store.servers.snapshot()).living).toEqual([]);
    expect(ann.closed()).toBe(CLOSE_CODES["going-away"]);
  });

  it.each([{}, { tokenId: undefined }, { tokenId: 7 }, { userId: undefined }, { userId: 7 }, undefined])(
    "refuses to revoke %o, which names nobody, and closes no connection",
    async (revocation) => {
      const { gateway, port } = await serve();
      const ann = await connect(port, "ann");
      await ann.hello();
      await expect(gateway.revoke(revocation as never)).rejects.toMatchObject({
        code: "options-invalid",
        details: { field: "revocation" },
      });
      expect(await ann.ask({ type: "ping" })).toMatchObject({ type: "pong" });
    },
  );

  it("logs an authenticate that returns a number as the user's id, and answers with 500", async () => {
    const authenticate = (): never => ({ userId: 7 }) as never;
    const { port, logged } = await serve({ authenticate });
    await expect(connect(port, "ann")).rejects.toThrow(/500/);
    expect(logged).toEqual(["a hook failed: internal"]);
  });

  it("judges the rate of requests by the clock that it was given", async () => {
    const { port } = await serve({ maxRequestsPerSecond: 1, clock: { now: Date.now, monotonicMs: () => 0 } });
    const ann = await connect(port, "ann");
    await ann.hello();
    await ann.ask({ type: "ping" });
    expect(await ann.ask({ type: "ping" })).toMatchObject({ code: "rate-limited" });
  });

  it("starts once, unwinds a start that fails, and can't be started after its end", async () => {
    const { gateway, port } = await serve();
    expect(await gateway.start()).toEqual({ host: "127.0.0.1", port });
    const second = createGateway({ port, authenticate: () => ({ userId: "ann" }) });
    await expect(second.start()).rejects.toMatchObject({ code: "port-in-use" });
    expect(second.node.store.link.state).toBe("closed");
    const third = createGateway({ port: 0, authenticate: () => ({ userId: "ann" }) });
    await third.close();
    await gateway.close();
    for (const closed of [second, third, gateway]) {
      const calls: CallTable<Gateway, "close" | "drain"> = {
        start: () => closed.start(),
        revoke: () => closed.revoke({ userId: "ann" }),
      };
      expect(await callsNotRejectedWith("closed", calls)).toEqual({});
      await closed.drain();
    }
  });

  it("rejects a drain before the start has resolved, and the start goes on", async () => {
    const gateway = createGateway({ port: 0, authenticate: () => ({ userId: "ann" }) });
    onTestFinished(() => gateway.close());
    await expect(gateway.drain()).rejects.toMatchObject({ code: "unavailable" });
    const starting = gateway.start();
    await expect(gateway.drain()).rejects.toMatchObject({ code: "unavailable" });
    await starting;
    expect(gateway.node.phase).toBe("serving");
  });

  it.each([
    ["redisURL", "redisUrl"],
    ["url", "redisUrl"],
    ["REDIS_URL", "redisUrl"],
    ["wsPort", "port"],
    ["host", "listenHost"],
    ["adminPort", "admin"],
    ["onMessage", "onPublish"],
    ["maxFrameBites", "maxFrameBytes"],
  ])("refuses the option %s, and names %s", (field, nearest) => {
    expect(() => createGateway(Object.assign({ authenticate: () => ({ userId: "ann" }) }, { [field]: 1 }))).toThrow(
      expect.objectContaining({
        code: "options-invalid",
        message: `${field} is not a known option. Did you mean ${nearest}?`,
        details: { field, nearest },
      }),
    );
  });

  it.each<[object, string]>([
    [{ authenticate: undefined }, "authenticate"],
    [{ authenticate: "yes" }, "authenticate"],
    [{ onJion: () => undefined }, "onJion"],
    [{ onJoin: true }, "onJoin"],
    [{ workers: 2 }, "workers"],
    [{ routes: { "/healthz": () => ({ status: 200 }) } }, "routes"],
    [{ routes: { "/hello": "hello" } }, 'routes["/hello"]'],
    [{ routes: { "post /login": () => ({ status: 200 }) } }, 'routes["post /login"]'],
    [{ routes: null }, "routes"],
    [{ admin: null }, "admin"],
    [{ admin: { port: "9100" } }, "admin.port"],
    [{ admin: { port: 0, host: "not a host" } }, "admin.host"],
    [{ admin: { port: 0, address: "::1" } }, "admin.address"],
    [{ logger: {} }, "logger"],
    [{ clock: { now: 1 } }, "clock"],
    [{ clock: null }, "clock"],
    [{ transport: "tcp" }, "transport"],
    [{ transport: "ws", sharePort: true }, "sharePort"],
    [{ connectionsPerUserPolicy: "drop" }, "connectionsPerUserPolicy"],
    [{ hookTimeoutMs: 0 }, "hookTimeoutMs"],
    [{ maxConnections: Number.NaN }, "maxConnections"],
    [{ maxRooms: 10_001 }, "maxRooms"],
    [{ maxRequestsPerSecond: 100_001 }, "maxRequestsPerSecond"],
    [{ drainMs: -1 }, "drainMs"],
    [{ recoverableRooms: "*" }, "recoverableRooms"],
    [{ roomWindows: "auto" }, "roomWindows"],
    [{ roomWindows: {} }, "roomWindows"],
    [{ roomWindows: [null] }, "roomWindows[0]"],
    [{ roomWindows: [{ windowMs: 1 }, { windowMs: 2 }] }, "roomWindows[0].prefix"],
    [{ roomWindows: [{ prefix: "a", windowMs: 101 }] }, "roomWindows[0].windowMs"],
    [{ slowReaderDropRooms: "*" }, "slowReaderDropRooms"],
    [{ slowReaderDropRooms: ["a"], slowReaderLatestRooms: ["a"] }, "slowReaderLatestRooms"],
    [{ slowReaderBytes: 1_000 }, "slowReaderBytes"],
    [{ slowReaderPolicy: "drop" }, "slowReaderPolicy"],
    [{ showServerIds: 1 }, "showServerIds"],
    [{ page: 1 }, "page"],
    [{ serverId: "not an id" }, "serverId"],
    [{ idleTimeoutMs: 5 }, "idleTimeoutMs"],
    [{ redisUrl: "http://127.0.0.1" }, "redisUrl"],
    [{ maxServerRooms: 0.5 }, "maxServerRooms"],
    [{ maxFrameBytes: "16384" }, "maxFrameBytes"],
    [{ maxFrameBytes: -1 }, "maxFrameBytes"],
    [{ maxRequestsPerSecond: 100n }, "maxRequestsPerSecond"],
    [{ idleTimeoutMs: 120_000n }, "idleTimeoutMs"],
    [{ maxBackpressureBytes: Symbol("1 MiB") }, "maxBackpressureBytes"],
    [{ maxBackpressureBytes: null }, "maxBackpressureBytes"],
  ])("refuses %o for its %s", (options, field) => {
    expect(() => createGateway({ port: 0, authenticate: () => ({ userId: "ann" }), ...options })).toThrow(
      expect.objectContaining({ code: "options-invalid", details: expect.objectContaining({ field }) }),
    );
  });

  it.each<[object, string]>([
    [{ redisPrefix: "a b" }, "redisPrefix"],
    [{ redisUrl: "redis://127.0.0.1", redisPrefix: "{" }, "redisPrefix"],
    [{ redisPrefix: 7 }, "redisPrefix"],
    [{ serverHost: "" }, "serverHost"],
    [{ serverHost: 7 }, "serverHost"],
    [{ listenHost: "not a host" }, "listenHost"],
    [{ listenHost: 7 }, "listenHost"],
  ])("refuses %o by the gateway's name %s, which the part that checks it calls otherwise", (options, field) => {
    const message = expect.stringMatching(new RegExp(`^${field} must be `));
    expect(() => createGateway({ port: 0, authenticate: () => ({ userId: "ann" }), ...options })).toThrow(
      expect.objectContaining({ code: "options-invalid", message, details: expect.objectContaining({ field }) }),
    );
  });
});
