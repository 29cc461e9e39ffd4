import type { RoomProtocol } from "./room-protocol.js";

/** The socket of a {@link RoomSession}, and the receiver of its notifications. */
export interface RoomSessionPort {
  send(text: string): void;
  /** The connection may send requests now. */
  ready(): void;
  failed(code: string): void;
}

/** The client side of one connection. It sends the greeting, and joins rooms one after the other. */
export class RoomSession {
  readonly #protocol: RoomProtocol;
  readonly #port: RoomSessionPort;
  readonly #joins: (() => void)[] = [];
  readonly #rooms: string[] = [];
  #joined = 0;

  constructor(protocol: RoomProtocol, port: RoomSessionPort) {
    this.#protocol = protocol;
    this.#port = port;
  }

  opened(): void {
    if (this.#protocol.greeting !== undefined) this.#port.send(this.#protocol.greeting);
    if (this.#protocol.readyWhenOpen) this.#port.ready();
  }

  control(text: string): void {
    const heard = this.#protocol.hear(text);
    if (heard.kind === "ready") this.#port.ready();
    else if (heard.kind === "answer") this.#port.send(heard.frame);
    else if (heard.kind === "failed") this.#port.failed(heard.code);
    else if (heard.kind === "joined") this.#onJoined();
  }

  /** Joins a room when all earlier joins are done; `done` is called when the server has answered. */
  join(room: string, done: () => void): void {
    this.#rooms.push(room);
    this.#joins.push(done);
    if (this.#joins.length === 1) this.#sendJoin();
  }

  #onJoined(): void {
    const done = this.#joins.shift();
    this.#rooms.shift();
    if (done === undefined) return;
    this.#joined++;
    if (this.#joins.length > 0) this.#sendJoin();
    done();
  }

  #sendJoin(): void {
    this.#port.send(this.#protocol.join(this.#rooms[0] ?? "", this.#joined + 1));
  }
}
