import type { Dialect, DialectSession, SessionPort } from "@cm/load";
import type { RoomProtocol } from "./room-protocol.js";
import { RoomSession } from "./room-session.js";

/** Options of {@link createRoomDialect}. A connection's placement is the room and the user that the load gives it. */
export interface RoomDialectOptions {
  /**
   * Number of rooms that each connection is in, at least 1: the room of its placement, and further rooms with the
   * same members. Publishes go to these rooms in turn.
   */
  readonly roomsPerConnection: number;
  /**
   * Whether each publish goes to the other member of a room of two instead of the room. The users of such a room
   * are `load-<n>` with numbers, in base 36, that differ only in the lowest bit.
   */
  readonly direct: boolean;
  /** Called with the room of each connection's placement before it is joined. */
  readonly onRoom?: (room: string) => void;
}

/** Creates the driver's side of a contender's protocol. */
export function createRoomDialect(protocol: RoomProtocol, options: RoomDialectOptions): Dialect {
  return {
    subprotocol: protocol.subprotocol,
    path: (url, user) => protocol.path(url, user),
    createSession({ room, user }, port) {
      options.onRoom?.(room);
      if (options.direct) return createDirectSession(protocol, user, port);
      return createRoomsSession(protocol, roomsOf(room, options.roomsPerConnection), port);
    },
  };
}

function roomsOf(room: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? room : `${room}.${index}`));
}

function createRoomsSession(protocol: RoomProtocol, rooms: readonly string[], port: SessionPort): DialectSession {
  let left = rooms.length;
  const onJoined = (): void => {
    left--;
    if (left === 0) port.joined();
  };
  const session: RoomSession = new RoomSession(protocol, {
    send: (text) => port.send(text),
    failed: (code) => port.failed(code),
    ready: () => {
      for (const room of rooms) session.join(room, onJoined);
    },
  });
  return {
    opened: () => session.opened(),
    control: (text) => session.control(text),
    publish: (payload, sequence) => protocol.publish(rooms[sequence % rooms.length] ?? "", payload),
  };
}

function createDirectSession(protocol: RoomProtocol, user: string, port: SessionPort): DialectSession {
  const partner = partnerOf(user);
  const { send } = protocol;
  const session: RoomSession = new RoomSession(protocol, {
    send: (text) => port.send(text),
    failed: (code) => port.failed(code),
    ready: () => {
      if (send === undefined) session.join(user, () => port.joined());
      else port.joined();
    },
  });
  return {
    opened: () => session.opened(),
    control: (text) => session.control(text),
    publish: (payload) => (send === undefined ? protocol.publish(partner, payload) : send(partner, payload)),
  };
}

/** Returns the other user of a pair: `load-0000` and `load-0001`, `load-0002` and `load-0003`, and so on. */
export function partnerOf(user: string): string {
  const at = user.lastIndexOf("-") + 1;
  const number = Number.parseInt(user.slice(at), 36);
  return user.slice(0, at) + (number ^ 1).toString(36).padStart(4, "0");
}
