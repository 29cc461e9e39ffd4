/*
 * The sockets of the `ws` package, as a distributed connection manager wants to know them.
 * Copy it into your server; it is all that is needed.
 */
import {
  CLOSE_CODES,
  type CloseReason,
  CmError,
  type LocalConnection,
  type LocalConnectionManager,
} from "@cm/protocol";
import type WebSocket from "ws";

interface Held {
  readonly userId: string;
  readonly socket: WebSocket;
  readonly rooms: Set<string>;
  lastSeen: number;
  /** Takes the listeners off. */
  readonly release: () => void;
}

/** What {@link createWsLocalConnections} may be told. */
export interface WsLocalConnectionsOptions {
  /** Default 10,000. */
  readonly maxConnections?: number;
  /** A socket with more than this waiting to be written is cut, in bytes. Default 1 MiB. */
  readonly maxBackpressureBytes?: number;
}

export function createWsLocalConnections(options: WsLocalConnectionsOptions = {}): LocalConnectionManager<WebSocket> {
  const { maxConnections = 10_000, maxBackpressureBytes = 1024 * 1024 } = options;
  const connections = new Map<string, Held>();
  const sockets = new WeakSet<WebSocket>();
  const rooms = new Map<string, Set<Held>>();
  const users = new Map<string, Set<Held>>();

  function forget(connectionId: string, held: Held): void {
    connections.delete(connectionId);
    sockets.delete(held.socket);
    held.release();
    discard(users, held.userId, held);
    for (const room of held.rooms) discard(rooms, room, held);
  }

  /** The frame's bytes are only lent: `data` is a copy, the same for all who get it. */
  function send({ socket }: Held, data: Buffer): boolean {
    if (socket.readyState !== socket.OPEN) return false;
    socket.send(data, { binary: false });
    // A hole in the stream is worse than its end. A close frame would wait behind the rest.
    if (socket.bufferedAmount > maxBackpressureBytes) socket.terminate();
    return socket.readyState === socket.OPEN;
  }

  return {
    get size() {
      return connections.size;
    },

    add({ connectionId, userId, socket, onClosed }: LocalConnection<WebSocket>) {
      if (socket.readyState !== socket.OPEN) throw new CmError("closed", "The socket is not open.");
      if (sockets.has(socket) || connections.has(connectionId)) throw new CmError("id-invalid", "It is here already.");
      if (connections.size >= maxConnections) throw new CmError("capacity-reached", "This server is full.");
      const seen = () => {
        held.lastSeen = Date.now();
      };
      const closed = () => {
        forget(connectionId, held);
        onClosed();
      };
      const release = () => {
        for (const event of ["message", "ping", "pong"]) socket.off(event, seen);
        socket.off("close", closed);
      };
      const held: Held = { userId, socket, rooms: new Set(), lastSeen: Date.now(), release };
      for (const event of ["message", "ping", "pong"]) socket.on(event, seen);
      socket.on("close", closed);
      connections.set(connectionId, held);
      sockets.add(socket);
      include(users, userId, held);
    },

    remove(connectionId: string, reason?: CloseReason) {
      const held = connections.get(connectionId);
      if (held === undefined) return;
      forget(connectionId, held);
      if (reason !== undefined) held.socket.close(CLOSE_CODES[reason], reason);
    },

    enter(connectionId, room) {
      const held = connections.get(connectionId);
      if (held === undefined) return;
      held.rooms.add(room);
      include(rooms, room, held);
    },

    exit(connectionId, room) {
      const held = connections.get(connectionId);
      if (held?.rooms.delete(room)) discard(rooms, room, held);
    },

    lastSeenOf: (connectionId) => connections.get(connectionId)?.lastSeen,

    toRoom(room, frame, except) {
      const members = rooms.get(room);
      if (members === undefined) return;
      const data = Buffer.from(frame);
      const left = new Set(except.map((connectionId) => connections.get(connectionId)));
      for (const held of members) if (!left.has(held)) send(held, data);
    },

    toConnection(connectionId, frame) {
      const held = connections.get(connectionId);
      return held !== undefined && send(held, Buffer.from(frame));
    },

    toUser(userId, frame) {
      const data = Buffer.from(frame);
      return [...(users.get(userId) ?? [])].filter((held) => send(held, data)).length;
    },
  };
}

function include(groups: Map<string, Set<Held>>, name: string, held: Held): void {
  const group = groups.get(name);
  if (group === undefined) groups.set(name, new Set([held]));
  else group.add(held);
}

function discard(groups: Map<string, Set<Held>>, name: string, held: Held): void {
  const group = groups.get(name);
  group?.delete(held);
  if (group?.size === 0) groups.delete(name);
}
