import type { RoomFanOut } from "@cm/transport";
import { type AnySocket, roomOf, topicOf } from "./room-topics.js";

/** Which topics sockets enter and leave. What waits for a lane's members is sent before that. */
export class RoomLanes {
  readonly #fanOut: RoomFanOut;

  constructor(fanOut: RoomFanOut) {
    this.#fanOut = fanOut;
  }

  /** The topic to subscribe to; `undefined` where the socket is in the room. */
  toEnter(socket: AnySocket, room: string): string | undefined {
    if (this.#laneOf(socket, room) !== undefined) return undefined;
    const lane = this.#fanOut.laneToEnter(room);
    this.#fanOut.flush(room, lane);
    return topicOf(room, lane);
  }

  /** The topic to unsubscribe from; `undefined` where the socket is not in the room. */
  toLeave(socket: AnySocket, room: string): string | undefined {
    const lane = this.#laneOf(socket, room);
    if (lane === undefined) return undefined;
    this.#fanOut.flush(room, lane);
    return topicOf(room, lane);
  }

  /** Sends what waits for a socket that is about to be closed. */
  flushOf(socket: AnySocket): void {
    if (!this.#fanOut.holds) return;
    for (const topic of socket.getTopics()) {
      const of = roomOf(topic);
      if (of !== undefined) this.#fanOut.flush(of.room, of.lane);
    }
  }

  #laneOf(socket: AnySocket, room: string): number | undefined {
    const lanes = this.#fanOut.lanesOf(room);
    for (let lane = 0; lane < lanes; lane++) if (socket.isSubscribed(topicOf(room, lane))) return lane;
    return undefined;
  }
}
