import { setTimeout as sleep } from "node:timers/promises";
import { type HistoryPosition, mayReconnect } from "@cm/protocol";
import { CmSocket } from "./cm-socket.js";

/** Returns the gateways for new connections in turn, as a load balancer would. */
export class Balancer {
  readonly #wsUrls: Set<string>;
  #next = 0;

  constructor(wsUrls: readonly string[]) {
    this.#wsUrls = new Set(wsUrls);
  }

  add(wsUrl: string): void {
    this.#wsUrls.add(wsUrl);
  }

  remove(wsUrl: string): void {
    this.#wsUrls.delete(wsUrl);
  }

  pick(): string {
    const wsUrls = [...this.#wsUrls];
    return wsUrls[this.#next++ % wsUrls.length] ?? "";
  }
}

/**
 * One connection of a {@link ReconnectingClient}, from the time at which it joined its room. All times are
 * readings of `performance.now()`.
 */
export interface Sitting {
  readonly socket: CmSocket;
  readonly server: string;
  readonly joinedAt: number;
  /** Offset of the recoverable room when the client joined or resumed. */
  readonly joinedAtOffset: number | undefined;
  /** Whether the server reported, when the client resumed, that it sends all missed messages. */
  readonly recovered: boolean | undefined;
  closedAt: number | undefined;
}

/**
 * A client that reconnects and joins its room again whenever its connection is closed, as docs/protocol.md
 * requires.
 */
export class ReconnectingClient {
  readonly user: string;
  readonly room: string;
  readonly sittings: Sitting[] = [];
  /** Close codes that the client received. */
  readonly codes: number[] = [];
  /** The error that made the client give up. */
  failure: unknown;
  readonly #balancer: Balancer;
  readonly #recovers: boolean;
  /** The latest position in the room that the client knows. */
  #position: HistoryPosition | undefined;
  #stopping = false;

  /** If `recovers` is set, the client asks for missed messages when it reconnects. */
  constructor(balancer: Balancer, user: string, room: string, { recovers = false } = {}) {
    this.#balancer = balancer;
    this.#recovers = recovers;
    this.user = user;
    this.room = room;
  }

  /** Connects for the first time; the client reconnects by itself from then on. */
  async start(wsUrl: string): Promise<void> {
    await this.#sit(wsUrl);
    this.#live().catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** The connection that is currently in the room. */
  get present(): Sitting | undefined {
    const last = this.sittings.at(-1);
    return last?.socket.isOpen === true && last.closedAt === undefined ? last : undefined;
  }

  /** Times between each close and the next join, in milliseconds. */
  get absencesMs(): number[] {
    return this.sittings.slice(1).map(({ joinedAt }, i) => joinedAt - (this.sittings[i]?.closedAt ?? joinedAt));
  }

  stop(): void {
    this.#stopping = true;
    this.sittings.at(-1)?.socket.terminate();
  }

  async #live(): Promise<void> {
    for (;;) {
      const sitting = this.sittings.at(-1);
      if (sitting === undefined) return;
      const { code } = await sitting.socket.closed;
      sitting.closedAt = performance.now();
      if (this.#stopping) return;
      this.codes.push(code);
      if (!mayReconnect(code)) throw new Error(`${this.user} was told not to come back, with ${code}.`);
      await this.#comeBack();
    }
  }

  async #comeBack(): Promise<void> {
    for (let failures = 0; !this.#stopping; failures++) {
      const base = Math.min(30_000, 500 * 2 ** failures);
      await sleep(base / 2 + (Math.random() * base) / 2);
      if (
        await this.#sit(this.#balancer.pick()).then(
          () => true,
          () => false,
        )
      )
        return;
    }
  }

  async #sit(wsUrl: string): Promise<void> {
    const socket = await CmSocket.open(wsUrl, this.user);
    const since = this.#recovers ? this.#lastPosition() : undefined;
    const answer = await socket.do({ type: "join", room: this.room, ...(since === undefined ? {} : { since }) });
    const { epoch, offset, recovered } = answer.type === "ack" ? answer : {};
    // After a recovery, continue from the last received message, not from the room's position: the missed
    // messages follow the response.
    if (recovered !== true && epoch !== undefined && offset !== undefined) this.#position = { epoch, offset };
    this.sittings.push({
      socket,
      server: socket.serverId,
      joinedAt: performance.now(),
      joinedAtOffset: offset,
      recovered,
      closedAt: undefined,
    });
  }

  #lastPosition(): HistoryPosition | undefined {
    for (const frame of this.sittings.at(-1)?.socket.received ?? []) {
      if (frame.type !== "message" || frame.room !== this.room) continue;
      const { epoch, offset } = frame;
      if (epoch !== undefined && offset !== undefined) this.#position = { epoch, offset };
    }
    return this.#position;
  }
}
