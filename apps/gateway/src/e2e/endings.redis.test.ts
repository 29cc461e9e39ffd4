import { readdir } from "node:fs/promises";
import { createMembership } from "@cm/membership";
import { createMemoryStore } from "@cm/memory-store";
import { createNode } from "@cm/node";
import { createPresence, type Watch } from "@cm/presence";
import { createConnectionIdSource, isCmError, type Store } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { createRouter } from "@cm/router";
import { createUwsServer } from "@cm/server-uws";
import { createWsServer } from "@cm/server-ws";
import { freshPrefix } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { createGateway } from "../index.js";

const PACKAGES = new URL("../../../../packages/", import.meta.url);

/** The exports of a package. */
async function exportsOf(folder: string): Promise<Record<string, unknown>> {
  return import(new URL(`${folder}/dist/index.js`, PACKAGES).href) as Promise<Record<string, unknown>>;
}

/** An object that can be closed. */
interface Ending {
  /** Closes the object, with `close` or the method of a documented interface. */
  end(): Promise<void>;
  readonly disposable: AsyncDisposable;
  /** Starts the object; absent if it is started when it is created. */
  start?(): Promise<unknown>;
  /** A call that must reject with `closed` after the close; absent if there is none. */
  call?(): Promise<unknown>;
}

const quiet = { onError: () => undefined };
const local = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };
const sockets = {
  size: 0,
  add: () => undefined,
  remove: () => undefined,
  enter: () => undefined,
  exit: () => undefined,
  lastSeenOf: () => undefined,
};
const interest = { enter: async () => undefined, exit: () => undefined };
const transport = {
  ...quiet,
  port: 0,
  subprotocols: ["v1"],
  closeTimeoutMs: 0,
  authenticate: () => ({ userId: "ann", data: undefined }),
  nextConnectionId: () => "one.1",
  handler: { open: () => undefined, frame: () => undefined, binary: () => undefined, closed: () => undefined },
};

async function startedStore(): Promise<Store> {
  const store = createMemoryStore();
  onTestFinished(() => store.close());
  await store.start();
  return store;
}

function closable<T extends AsyncDisposable & { close(): Promise<void>; start?(): Promise<unknown> }>(
  thing: T,
  call?: (thing: T) => Promise<unknown>,
): Ending {
  return {
    end: () => thing.close(),
    disposable: thing,
    ...(thing.start === undefined ? {} : { start: () => thing.start?.() ?? Promise.resolve() }),
    ...(call === undefined ? {} : { call: () => call(thing) }),
  };
}

/** The common part of the documented interfaces of `@cm/connection-manager`. */
interface Documented extends AsyncDisposable {
  shutdown(): Promise<void>;
}

async function documented<T extends Documented>(
  name: string,
  args: (store: Store) => readonly unknown[],
  call: (thing: T) => Promise<unknown>,
): Promise<Ending> {
  // The gateway does not depend on `@cm/connection-manager`, so its types are not available here.
  const make = (await exportsOf("connection-manager"))[name] as (...given: readonly unknown[]) => Promise<T>;
  const thing = await make(...args(await startedStore()));
  return { end: () => thing.shutdown(), disposable: thing, call: () => call(thing) };
}

/** All public objects that can be closed, by the name of the function that creates them. */
const ENDINGS: Readonly<Record<string, () => Promise<Ending>>> = {
  createMemoryStore: async () => closable(createMemoryStore(), (store) => store.servers.snapshot()),
  createRedisStore: async () =>
    closable(createRedisStore({ ...quiet, url: inject("redisUrl"), prefix: freshPrefix() }), (store) =>
      store.servers.snapshot(),
    ),
  createRouter: async () => {
    const store = await startedStore();
    return closable(createRouter({ ...quiet, serverId: "a", store, local }), (router) => router.toRoom("hall", "x"));
  },
  createMembership: async () => {
    const store = await startedStore();
    const ids = createConnectionIdSource({ serverId: "a" });
    const membership = createMembership({ ...quiet, ids, store, interest });
    return {
      // The membership's `close` closes a connection, so `shutdown` is its counterpart.
      end: () => membership.shutdown(),
      disposable: membership,
      start: () => membership.start(),
      call: () => membership.open({ connectionId: membership.nextConnectionId(), userId: "ann" }),
    };
  },
  createPresence: async () => closable(createPresence(await startedStore()), (presence) => presence.countOnline()),
  "Presence.watchRoom": async () => {
    const presence = createPresence(await startedStore());
    onTestFinished(() => presence.close());
    return closable<Watch>(await presence.watchRoom("hall", { snapshot: () => undefined, change: () => undefined }));
  },
  createNode: async () =>
    closable(createNode({ ...quiet, serverId: "a", local, store: await startedStore() }), (node) =>
      node.router.toRoom("hall", "x"),
    ),
  createUwsServer: async () => closable(createUwsServer(transport)),
  createWsServer: async () => closable(createWsServer(transport)),
  createGateway: async () =>
    closable(createGateway({ port: 0, logger: undefined, authenticate: () => ({ userId: "ann" }) }), (gateway) =>
      gateway.node.router.toRoom("hall", "x"),
    ),
  createConnectionManager: () =>
    documented<Documented & { getStats(): Promise<unknown> }>(
      "createConnectionManager",
      (store) => [{ ...quiet, store }],
      (manager) => manager.getStats(),
    ),
  createDistributedConnectionManager: () =>
    documented<Documented & { getActiveServers(): Promise<unknown> }>(
      "createDistributedConnectionManager",
      (store) => [
        { ...local, ...sockets },
        { ...quiet, store },
      ],
      (manager) => manager.getActiveServers(),
    ),
};

/** Exports that need not be closed, with the reason. */
const ENDLESS: Readonly<Record<string, string>> = {
  createMemoryHub: "holds data, as a Redis does",
  createTokenVerifier: "fetches keys while it is asked, and holds nothing open",
  createConnectionIdSource: "counts",
  createEnvelopeHeader: "is bytes",
  createFailureWarnings: "counts; `flush` tells what is left",
  createFaultCounter: "counts",
  createLocalConnectionManager: "knows sockets that its application closes",
  BaseTransport: "what createUwsServer and createWsServer share",
  BaseConnection: "a connection; `close` takes the reason, and the transport waits for it",
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    return isCmError(error) ? error.code : String(error);
  }
}

async function expectEnded({ end, disposable, start, call }: Ending): Promise<void> {
  const ending = end();
  expect(end(), "a second call gives the same promise").toBe(ending);
  expect(disposable[Symbol.asyncDispose](), "disposing is the same").toBe(ending);
  await ending;
  expect(end(), "so does one afterwards").toBe(ending);
  if (call !== undefined) expect(await codeOf(call()), "calls afterwards").toBe("closed");
  if (start !== undefined) expect(await codeOf(start()), "a start afterwards").toBe("closed");
}

describe.each(Object.entries(ENDINGS))("what %s makes", (_name, make) => {
  it("ends before it was started, and can't be started then", async () => {
    await expectEnded(await make());
  });

  it("starts once, ends once, and is closed from then on", async () => {
    const ending = await make();
    onTestFinished(() => ending.end());
    await Promise.all([ending.start?.(), ending.start?.()]);
    await ending.start?.();
    await expectEnded(ending);
  });
});

it("leaves out nothing public that ends", async () => {
  const folders = (await readdir(PACKAGES)).filter((folder) => folder !== "contract-tests"); // It contains test suites.
  const makers: string[] = [];
  for (const folder of folders) {
    for (const [name, value] of Object.entries(await exportsOf(folder))) {
      if (typeof value !== "function") continue;
      // The prototype of a class has the names of its methods.
      const prototype: unknown = value.prototype;
      const methods = typeof prototype === "object" && prototype !== null ? prototype : {};
      const ends = "close" in methods || "shutdown" in methods || Symbol.asyncDispose in methods;
      if (name.startsWith("create") || ends) makers.push(name);
    }
  }
  const known = [...Object.keys(ENDINGS).filter((name) => !/^createGateway$|\./.test(name)), ...Object.keys(ENDLESS)];
  expect([...new Set(makers)].sort()).toEqual(known.sort());
});
