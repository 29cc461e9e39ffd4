/*
 * A store whose data is in another process, the hub: the store sends its calls over TCP, and the hub carries them
 * out on a memory store. For a trusted network only. A lost link is not opened again.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { deserialize, serialize } from "node:v8";
import { createMemoryHub, createMemoryStore, type MemoryHub } from "@cm/memory-store";
import {
  type BusHandler,
  CmError,
  isCmError,
  type Link,
  type LinkState,
  type Store,
  type Subscription,
} from "@cm/protocol";

/** A call such as `rooms.count`; its answer has the same id. A subscription has the id of the call that opened it. */
type Request = { readonly id: number; readonly path: string; readonly args: never[] };
type Failure = Pick<CmError, "code" | "message"> & { readonly details: Readonly<Record<string, unknown>> };
type Answer = {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: Failure;
  readonly message?: Uint8Array;
};

/** Starts the hub on a free port. The store uses the clock of `memory`. */
export async function startHub(memory: MemoryHub = createMemoryHub()): Promise<{ server: Server; port: number }> {
  const server = createServer(async (socket) => {
    const store = createMemoryStore({ hub: memory });
    const subscriptions = new Map<number, Subscription>();
    socket.on("error", () => undefined);
    socket.on("close", () => void store.close());
    const started = store.start();
    const carryOut = async ({ id, path, args }: Request): Promise<unknown> => {
      await started;
      const [first] = args as [never]; // It has the type that the calls below take.
      if (path === "unsubscribe") return subscriptions.get(first)?.close();
      if (path !== "subscribe") return memberOf(store, path)(...args);
      subscriptions.set(id, await store.bus.subscribe(first, (message) => write(socket, { id, message })));
      return undefined;
    };
    onValue(socket, (request) => {
      const { id } = request as Request; // Written by `createRemoteStore`.
      carryOut(request as Request).then(
        (result) => write(socket, { id, result }),
        (error: unknown) => {
          const { code, message, details } = isCmError(error) ? error : new CmError("internal", String(error));
          write(socket, { id, failure: { code, message, details: details ?? {} } });
        },
      );
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

/** Creates a store on the hub that listens on this port of this machine. */
export function createRemoteStore(port: number): Store {
  let socket: Socket | undefined;
  let state: LinkState = "connecting";
  let since = Date.now();
  let nextId = 0;
  let closing: Promise<void> | undefined;
  const listeners = new Map<symbol, (state: LinkState) => void>();
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: CmError) => void }>();
  const handlers = new Map<number, BusHandler>();
  const channels = new Set<string>();

  const move = (to: LinkState): void => {
    [state, since] = [to, Date.now()];
    for (const listener of listeners.values()) {
      // In a microtask: a listener that throws, or that causes the next change, does not disturb the others.
      Promise.resolve(to)
        .then(listener)
        .catch((error: unknown) => console.error("A listener threw an error:", error));
    }
  };
  const call = (path: string, args: unknown[], id = nextId++): Promise<never> =>
    new Promise((resolve, reject) => {
      if (socket === undefined || closing !== undefined) return reject(new CmError("closed", "The store is not open."));
      if (state !== "in-sync") return reject(new CmError("unavailable", "The hub is gone."));
      waiting.set(id, { resolve, reject });
      write(socket, { id, path, args });
    });
  /** Returns a contract whose calls all go to the hub. */
  const part = (path: string): never =>
    new Proxy(
      {},
      {
        get:
          (_, name) =>
          (...args: unknown[]) =>
            call(`${path}.${String(name)}`, args),
      },
    ) as never;
  const link: Link = {
    get state() {
      return state;
    },
    status: () => ({ state, since, lastProbeMs: 0, ...COUNTERS }),
    onState(listener) {
      const key = Symbol();
      listeners.set(key, listener);
      return () => void listeners.delete(key);
    },
  };

  return {
    servers: part("servers"),
    connections: part("connections"),
    rooms: part("rooms"),
    roomRecords: part("roomRecords"),
    users: part("users"),
    counts: part("counts"),
    upkeep: { servers: part("upkeep.servers"), projection: part("upkeep.projection") },
    partitions: createMemoryStore().partitions, // The same as in the hub.
    bus: {
      publish: (channel, message) => call("bus.publish", [channel, message]),
      async subscribe(channel, handler) {
        const [key, id] = [`${channel.kind}:${channel.name}`, nextId++];
        if (channels.has(key)) throw new CmError("options-invalid", "The channel has a subscription already.");
        const end = (): boolean => handlers.delete(id) && channels.delete(key);
        channels.add(key);
        handlers.set(id, handler);
        await call("subscribe", [channel], id).catch((error: unknown) => {
          end();
          throw error;
        });
        return { close: async () => void (end() && (await call("unsubscribe", [id]).catch(() => undefined))) };
      },
      history: {
        link,
        append: (...args) => call("bus.history.append", args),
        since: (...args) => call("bus.history.since", args),
        restart: (...args) => call("bus.history.restart", args),
      },
    },
    link,
    async start() {
      const opened = connect({ port, host: "127.0.0.1", noDelay: true });
      await once(opened, "connect");
      socket = opened;
      opened.on("error", () => undefined);
      opened.on("close", () => {
        for (const { reject } of waiting.values()) reject(new CmError("unavailable", "The hub is gone."));
        waiting.clear();
        if (closing === undefined) move("down");
      });
      onValue(opened, (value) => {
        const { id, result, failure, message } = value as Answer; // Written by `startHub`.
        if (message !== undefined) return handlers.get(id)?.(message);
        const { resolve, reject } = waiting.get(id) ?? {};
        waiting.delete(id);
        if (failure === undefined) return resolve?.(result as never);
        return reject?.(new CmError(failure.code, failure.message, { details: failure.details }));
      });
      move("in-sync");
    },
    close() {
      closing ??= (async () => {
        handlers.clear();
        move("closed");
        if (socket === undefined || socket.destroyed) return;
        const ended = once(socket, "close");
        socket.end();
        await ended;
      })();
      return closing;
    },
  };
}

const COUNTERS = { reconnects: 0, resubscriptions: 0, replacedSubscribers: 0, timedOutCommands: 0, refusedCommands: 0 };

/** Returns the method of the store that a path such as `upkeep.servers.claim` names, bound to its object. */
function memberOf(store: Store, path: string): (...args: never[]) => unknown {
  let [owner, member]: [unknown, unknown] = [undefined, store];
  // The cast is safe: a path names a method of a contract, so everything before its last name is an object.
  for (const name of path.split(".")) [owner, member] = [member, (member as Record<string, unknown>)[name]];
  if (typeof member !== "function") throw new CmError("internal", `The store has no ${path}.`);
  return member.bind(owner);
}

/** Writes a value after its length, which takes four bytes. */
function write(socket: Socket, value: Request | Answer | { path: string; id: number; args: unknown[] }): void {
  const bytes = serialize(value);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  socket.write(Buffer.concat([head, bytes]));
}

function onValue(socket: Socket, take: (value: unknown) => void): void {
  let unread: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    unread = Buffer.concat([unread, bytes]);
    while (unread.length >= 4 && unread.length - 4 >= unread.readUInt32BE(0)) {
      const end = 4 + unread.readUInt32BE(0);
      const value: unknown = deserialize(unread.subarray(4, end));
      unread = unread.subarray(end);
      take(value);
    }
  });
}
