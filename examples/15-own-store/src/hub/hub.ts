/*
 * The hub: one process that holds everything in memory and carries out calls one after the other, in the order in
 * which they arrive. Each call is therefore one step for all servers, without a lock.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import {
  type ConnectionRegistry,
  type Counted,
  type Holdings,
  isCmError,
  type Lease,
  type ProjectionUpkeep,
  type ReapClaim,
  type RoomDirectory,
  type RoomRecords,
  type ServerRegistry,
  type ServerUpkeep,
  type StoreCounts,
  type UserDirectory,
} from "@cm/protocol";
import { onLine, type Question, send } from "../wire.js";
import { Channels } from "./channels.js";
import { Connections } from "./connections.js";
import { Histories } from "./histories.js";
import { Records } from "./records.js";
import { Rooms } from "./rooms.js";
import { Servers } from "./servers.js";
import { Users } from "./users.js";

/** A contract as the hub implements it: the same calls, but synchronous. */
type AtOnce<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => Promise<infer R> ? (...args: A) => R : never;
};

/** A running hub. */
export interface Hub {
  readonly port: number;
  /**
   * Number of entries that the hub holds, also those of dead servers, plus the number of channels with
   * subscribers.
   */
  readonly held: number;
  close(): Promise<void>;
}

/** Starts a hub on a free port of the loopback address. `now` is its clock, in milliseconds since the Unix epoch. */
export async function startHub(now: () => number = monotonicNow): Promise<Hub> {
  const channels = new Channels();
  const servers = new Servers(now);
  const connections = new Connections(servers);
  const records = new Records(servers, now);
  const rooms = new Rooms(servers, records, channels, now);
  const users = new Users(servers, channels, now);
  const histories = new Histories(channels, now);

  const counts: Readonly<Record<Counted, () => number>> = {
    users: () => users.size,
    connections: () => users.connections,
    rooms: () => rooms.size,
    roomRecords: () => records.size,
  };
  const held: { readonly [K in keyof Holdings]: (right: Lease | ReapClaim, partition: number) => Holdings[K] } = {
    records: (right, recordPartition) => connections.held(right, recordPartition),
    rooms: (right, partition) => rooms.held(right, partition),
    users: (right, partition) => users.held(right, partition),
  };
  const contracts: {
    readonly servers: AtOnce<ServerRegistry>;
    readonly connections: AtOnce<ConnectionRegistry>;
    readonly rooms: AtOnce<RoomDirectory>;
    readonly users: AtOnce<UserDirectory>;
    readonly roomRecords: AtOnce<RoomRecords>;
    readonly counts: AtOnce<StoreCounts>;
    readonly "upkeep.projection": AtOnce<ProjectionUpkeep>;
  } = {
    servers,
    connections,
    rooms,
    users,
    roomRecords: {
      get: (room, { touch = false } = {}) => (touch ? records.touch(room) : records.get(room)),
      compareAndSet: (room, version, value) => records.compareAndSet(room, version, value),
      restore: (lease, lost) => records.restore(lease, lost, (room) => rooms.has(room)),
    },
    counts: { of: (what) => counts[what]() },
    "upkeep.projection": {
      // Entries do not expire by themselves here, so there is nothing to renew; they are removed with their
      // server.
      renew: (lease) => void servers.owner(lease),
      held: <K extends keyof Holdings>(right: Lease | ReapClaim, kind: K, partition: number): Holdings[K] =>
        held[kind](right, partition),
      evict(claim, what) {
        if ("room" in what) return rooms.evict(claim, what.room);
        if ("users" in what) users.evict(claim, what.users);
        // The record partitions of an orphan are not known.
        else if (!claim.isOrphan) connections.clearRecordPartition(claim, what.recordPartition);
        return [];
      },
      endGracePeriods: (partitions) => users.endGracePeriods(partitions),
      reconcile: (kind, partition) => (kind === "rooms" ? rooms : users).reconcile(partition),
    },
  };
  const parts: Readonly<Record<string, object>> = { ...contracts, history: histories };

  /** The calls that depend on the socket of the store that makes them. */
  const ofSocket = (socket: Socket): Readonly<Record<string, object>> => ({
    bus: {
      publish: (key: string, bytes: string) => channels.publish(key, bytes),
      subscribe: (key: string, subscription: number) => channels.subscribe(key, socket, subscription),
      unsubscribe: (key: string, subscription: number) => channels.unsubscribe(key, socket, subscription),
    },
    "upkeep.servers": {
      claim: servers.claim.bind(servers),
      watch: servers.watch.bind(servers),
      expire: (...[server, silentForMs]: Parameters<Servers["expire"]>) =>
        // The server is alive if another store listens to its channel. The asking store does not count: a process
        // that starts under the id of a dead one listens to that channel already.
        channels.hasOthers(`server:${server.serverId}`, socket) ? "alive" : servers.expire(server, silentForMs),
    } satisfies AtOnce<ServerUpkeep>,
  });

  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    const all = { ...parts, ...ofSocket(socket) };
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      channels.forget(socket);
    });
    onLine<Question>(socket, (question) => answer(socket, question, all));
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port, // Listening on TCP.
    get held() {
      return channels.size + connections.size + rooms.entries + users.entries + records.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

/**
 * Carries out a call and sends its result or error. An error without a code is a fault of the hub, sent as
 * `internal`.
 */
function answer(socket: Socket, [id, part, call, args]: Question, parts: Readonly<Record<string, object>>): void {
  try {
    const target = parts[part];
    const method: unknown = target === undefined ? undefined : Reflect.get(target, call);
    if (target === undefined || typeof method !== "function") throw new Error(`There is no call ${part}.${call}.`);
    // JSON has no undefined: an argument that was left out came as null.
    const given = args.map((each) => each ?? undefined);
    send(socket, ["value", id, Reflect.apply(method, target, given) ?? null]);
  } catch (error) {
    const { code, message, details } = isCmError(error)
      ? error
      : { code: "internal", message: String(error), details: undefined };
    send(socket, ["error", id, { code, message, ...(details === undefined ? {} : { details }) }]);
  }
}

/** A clock that does not jump when the system's clock is set, because that must not end leases. */
function monotonicNow(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
