import { PayloadReader, type PayloadStamp } from "../stamped-payload.js";
import { RawSocket, type RawSocketEvents } from "../wire/raw-socket.js";
import type { Dialect, DialectSession, SessionPort } from "./dialect.js";

/** Identity of a member. */
export interface MemberPlacement {
  /** The member's number, from 0. All members of one room are numbered before those of the next. */
  readonly index: number;
  readonly room: string;
  readonly user: string;
  readonly url: URL;
  /** Additional headers of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Receives the events of all members. */
export interface MemberEvents {
  onJoined(member: Member): void;
  /** Called for each stamped message; the next one overwrites the stamp. */
  onMessage(member: Member, stamp: PayloadStamp): void;
  onAccepted(member: Member, sequence: number): void;
  onRefused(member: Member, sequence: number, code: string): void;
  onError(member: Member, code: string): void;
  onGap(member: Member, missed: number): void;
  /** Called exactly once per member. */
  onClosed(member: Member, code: string): void;
}

/**
 * The stamp of the current message. It is overwritten for every message, which is safe because the driver has
 * one thread.
 */
const STAMP: PayloadStamp = { run: 0, publisher: 0, sequence: 0, dueAtUs: 0 };

/** One connection: a socket, the dialect's session on it, and the reader of its payloads. */
export class Member implements RawSocketEvents, SessionPort {
  readonly index: number;
  readonly #events: MemberEvents;
  readonly #session: DialectSession;
  readonly #socket: RawSocket;
  readonly #payloads = new PayloadReader();
  #state: "opening" | "joined" | "closed" = "opening";

  /** Starts connecting. */
  constructor(placement: MemberPlacement, dialect: Dialect, events: MemberEvents) {
    this.index = placement.index;
    this.#events = events;
    this.#session = dialect.createSession({ room: placement.room, user: placement.user }, this);
    const path = dialect.path(placement.url, placement.user);
    const { url, headers } = placement;
    this.#socket = new RawSocket({ url, path, subprotocol: dialect.subprotocol, headers }, this);
  }

  get isJoined(): boolean {
    return this.#state === "joined";
  }

  /** Whether a publish can be sent now. */
  get canPublish(): boolean {
    return this.#state === "joined" && this.#socket.writable;
  }

  publish(payload: string, sequence: number): void {
    this.#socket.send(this.#session.publish(payload, sequence));
  }

  close(): void {
    this.#socket.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  onOpen(): void {
    this.#session.opened();
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    if (this.#payloads.read(bytes, start, end, STAMP)) this.#events.onMessage(this, STAMP);
    else this.#readControl(bytes.toString("utf8", start, end));
  }

  onClosed(code: string): void {
    this.#events.onClosed(this, code);
    this.#state = "closed";
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  joined(): void {
    if (this.#state !== "opening") return;
    this.#state = "joined";
    this.#events.onJoined(this);
  }

  accepted(sequence: number): void {
    this.#events.onAccepted(this, sequence);
  }

  refused(sequence: number, code: string): void {
    this.#events.onRefused(this, sequence, code);
  }

  failed(code: string): void {
    this.#events.onError(this, code);
    // Close the connection if it could not join its room, because it is of no use then.
    if (this.#state === "opening") this.#socket.close();
  }

  gapReported(missed: number): void {
    this.#events.onGap(this, missed);
  }

  #readControl(text: string): void {
    try {
      this.#session.control(text);
    } catch {
      // An invalid frame from the server is a finding, not an error of the driver.
      this.#events.onError(this, "frame-unreadable");
    }
  }
}
