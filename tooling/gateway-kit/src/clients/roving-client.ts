import { setTimeout as sleep } from "node:timers/promises";
import { mayReconnect } from "@cm/protocol";
import { CmSocket } from "./cm-socket.js";

/** The gateways that newcomers are sent to, in turn, as a load balancer would. */
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

/** One connection of a {@link RovingClient}, from when it was in its room. Times are `performance.now()`. */
export interface Sitting {
  readonly socket: CmSocket;
  readonly server: string;
  readonly joinedAt: number;
  /** Where a recoverable room was when it joined, or came back. */
  readonly joinedAtOffset: number | undefined;
  /** Whether it was told that it gets all that it missed. */
  readonly recovered: boolean | undefined;
  closedAt: number | undefined;
}

/** A client that comes back to its room, as docs/protocol.md asks for, whenever it is closed. */
export class RovingClient {
  readonly user: string;
  readonly room: string;
  readonly sittings: Sitting[] = [];
  /** Close codes that it met. */
  readonly codes: number[] = [];
  /** What kept it from living on: it gives up then. */
  failure: unknown;
  readonly #balancer: Balancer;
  readonly #recovers: boolean;
  /** The last place that it knows of its room. */
  #place: { readonly epoch: number; readonly offset: number } | undefined;
  #stopping = false;

  /** With `recovers` it asks for what it missed when it comes back. */
  constructor(balancer: Balancer, user: string, room: string, { recovers = false } = {}) {
    this.#balancer = balancer;
    this.#recovers = recovers;
    this.user = user;
    this.room = room;
  }

  /** Connects for the first time; comes back by itself from then on. */
  async start(wsUrl: string): Promise<void> {
    await this.#sit(wsUrl);
    this.#live().catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** Where it is in its room right now. */
  get present(): Sitting | undefined {
    const last = this.sittings.at(-1);
    return last?.socket.isOpen === true && last.closedAt === undefined ? last : undefined;
  }

  /** Between each close and being in the room again, in milliseconds. */
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
    const since = this.#recovers ? this.#lastPlace() : undefined;
    const answer = await socket.do({ type: "join", room: this.room, ...(since === undefined ? {} : { since }) });
    const { epoch, offset, recovered } = answer.type === "ack" ? answer : {};
    // What it had is where it goes on from, and not where the room is: that comes behind the answer.
    if (recovered !== true && epoch !== undefined && offset !== undefined) this.#place = { epoch, offset };
    this.sittings.push({
      socket,
      server: socket.serverId,
      joinedAt: performance.now(),
      joinedAtOffset: offset,
      recovered,
      closedAt: undefined,
    });
  }

  #lastPlace(): { readonly epoch: number; readonly offset: number } | undefined {
    for (const frame of this.sittings.at(-1)?.socket.received ?? []) {
      if (frame.type !== "message" || frame.room !== this.room) continue;
      const { epoch, offset } = frame;
      if (epoch !== undefined && offset !== undefined) this.#place = { epoch, offset };
    }
    return this.#place;
  }
}
