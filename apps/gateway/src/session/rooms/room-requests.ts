import type { Membership } from "@cm/membership";
import {
  type ClientFrame,
  CmError,
  type ConnectionLimits,
  type EnteredRoom,
  type HistoryPosition,
  isCmError,
  type Ref,
  type Sender,
} from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import type { RecoveryLimit, Router } from "@cm/router";
import type { TransportConnection } from "@cm/transport";
import type { AudienceCharges } from "../../limits/audience-charges.js";
import type { FanOutAccount } from "../../limits/fan-out-budget.js";
import type { LimitCounter } from "../../limits/limit-counter.js";
import type { AckDetails, ClientResponses } from "../messages/client-responses.js";
import { writeData } from "../messages/data-serialization.js";
import { forbidden } from "../permissions.js";
import type { JoinedRoom } from "./joined-room.js";
import { type MemberPageSources, readMembers } from "./member-pages.js";
import { type RoomHolder, SessionRooms } from "./session-rooms.js";

/** The parts of the gateway that requests about rooms need. */
export interface RoomContext extends MemberPageSources {
  readonly membership: Membership;
  readonly router: Router;
  readonly limits: Pick<ConnectionLimits, "maxRooms" | "maxFrameBytes">;
  /** Maximum number and size of the missed messages that a client is sent when it resumes. */
  readonly recovery: RecoveryLimit;
  /** Counts the joins that were refused because a limit of the connection or of the server was reached. */
  readonly reached: LimitCounter;
  /** Limits the reads of roster pages for all connections; see {@link PAGES_AT_ONCE}. */
  readonly pageReads: Semaphore;
  readonly charges: Pick<AudienceCharges, "chargeRoom">;
}

/** The part of the client's socket that requests about rooms need. */
export type RoomSocket = Pick<TransportConnection<unknown>, "id" | "send" | "enter" | "leave">;

/**
 * Cost of a member entry or missed message, in deliveries. It is high because the store reads each entry for
 * this client alone.
 */
const READING_COST = 10;

/**
 * Maximum number of roster pages that are read at a time, for one connection and for all connections of a server. The
 * cost of a page is known only after it has been read: if all requests that a client sends at once were read together,
 * none would be refused by the limits. A page of 1,000 members takes about 2 ms, and the pages of many clients may
 * arrive in one turn of the event loop, which others wait for.
 */
export const PAGES_AT_ONCE = { connection: 2, server: 4 } as const;

/** Maximum number of a connection's requests for roster pages that wait for their turn. */
const PAGES_WAITING_MAX = 16;

/** Created once, because recording the call stack of an error takes longer than all else that a refusal costs. */
const UNREAD = new CmError("rate-limited", "The client has not read the messages sent to it so far.");

/** The client whose requests {@link RoomRequests} carries out. */
export interface RoomClient extends RoomHolder {
  readonly context: RoomContext;
  readonly socket: RoomSocket;
  readonly from: Sender;
  readonly answers: ClientResponses;
  readonly account: FanOutAccount;
  /**
   * Returns whether the client reads the data that it was sent, so that more data may be fetched for it. Counts the
   * limit as reached if it does not.
   */
  isReader(): boolean;
}

/** Answers a join with the room's position, if it has one. */
type JoinAnswer = (more: AckDetails | undefined) => void;

type RequestOf<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;

/** One client's requests about rooms: join, leave, publish and list members. */
export class RoomRequests {
  readonly #client: RoomClient;
  readonly #rooms: SessionRooms;
  /** Created with the first request for a list of members. */
  #pageReads: Semaphore | undefined;

  constructor(client: RoomClient) {
    this.#client = client;
    this.#rooms = new SessionRooms(client);
  }

  /** Number of rooms that the connection is in, is joining or is leaving. */
  get size(): number {
    return this.#rooms.size;
  }

  clear(): void {
    this.#rooms.clear();
  }

  /**
   * Puts the connection into a room. Resolves with `false` if it is not in the room afterwards. Rejects with
   * `rooms-limit`, or as {@link Membership.join}.
   */
  async admit(name: string): Promise<boolean> {
    const room = this.#rooms.enter(name);
    room.isAdmitted = true;
    await this.#rooms.inOrder(room, () => this.#enter(room, () => undefined));
    return room.joined && !this.#client.isClosed();
  }

  /** Takes the connection out of a room, if it is in it. */
  async expel(name: string): Promise<void> {
    const room = this.#rooms.get(name);
    if (room !== undefined) await this.#remove(room);
  }

  /** Takes the connection out of the rooms that its rights no longer allow. */
  async applyRights(): Promise<void> {
    await Promise.all(this.#rooms.applyRights().map((room) => this.#remove(room)));
  }

  join({ room: name, since, ref }: RequestOf<"join">): void {
    let room: JoinedRoom;
    try {
      room = this.#rooms.enter(name);
    } catch (error) {
      this.#client.answers.refuse(error, ref);
      return;
    }
    const answer: JoinAnswer = (more) => this.#client.answers.ack(ref, more);
    this.#inRoom(room, ref, () => {
      const decision = room.joined ? undefined : this.#client.permissions.join(name);
      if (decision === undefined) return this.#enter(room, answer, since);
      return decision.then(() => (this.#client.isClosed() ? undefined : this.#enter(room, answer, since)));
    });
  }

  leave(name: string, ref: Ref | undefined): void {
    const room = this.#rooms.get(name);
    if (room === undefined) {
      this.#client.answers.ack(ref);
      return;
    }
    this.#rooms.leave(room);
    this.#inRoom(room, ref, async () => {
      await this.#exit(room);
      this.#client.answers.ack(ref);
    });
  }

  publish(frame: RequestOf<"publish">): void {
    const room = this.#rooms.get(frame.room);
    if (room !== undefined && this.#client.permissions.asksOnPublish) {
      this.#publishPermitted(room, frame);
    } else if (room?.busy) {
      this.#inRoom(room, frame.ref, async () => {
        await this.#publishFrom(room, frame);
        this.#client.answers.ack(frame.ref);
      });
    } else {
      this.#client.answers.ackAfter(frame.ref, () => this.#publishFrom(room, frame));
    }
  }

  /**
   * Publishes a message if the hook allows it. The next operation on the room waits for the hook's decision,
   * but not for the bus.
   */
  #publishPermitted(room: JoinedRoom, frame: RequestOf<"publish">): void {
    const { data, ref } = frame;
    void this.#client.answers.wait(ref, async () => {
      let sent: Promise<unknown> | undefined;
      await this.#rooms.inOrder(room, async () => {
        if (room.joined && room.mayPublish) await this.#client.permissions.publish(room.name, data);
        if (this.#client.isClosed()) return;
        sent = this.#publishFrom(room, frame);
        // Prevent an unhandled rejection: `sent` is only awaited below, after this operation has ended.
        sent.catch(() => undefined);
      });
      await sent;
      this.#client.answers.ack(ref);
    });
  }

  #publishFrom(room: JoinedRoom | undefined, { data, key, echo }: RequestOf<"publish">): Promise<unknown> {
    if (!room?.joined) return Promise.reject(new CmError("not-a-member", "Only members can publish to a room."));
    if (!room.mayPublish) return Promise.reject(forbidden("publish to this room"));
    let text: string;
    try {
      this.#client.context.charges.chargeRoom(this.#client.account, room.name);
      text = room.messageFrame(this.#client, writeData(data, this.#client.context.limits.maxFrameBytes), key);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#client.context.router.toRoom(room.name, text, echo ? undefined : [this.#client.socket.id]);
  }

  askMembers(frame: RequestOf<"members">): void {
    // Wait for a join or leave of the same room that is still in progress.
    const room = this.#rooms.get(frame.room);
    if (room?.busy) this.#inRoom(room, frame.ref, () => this.#members(frame));
    else void this.#client.answers.wait(frame.ref, () => this.#members(frame));
  }

  async #members({ ref, ...request }: RequestOf<"members">): Promise<void> {
    const { permissions, context, account, answers } = this.#client;
    const decision = permissions.members(request.room);
    if (decision !== undefined) {
      await decision;
      if (this.#client.isClosed()) return;
    }
    const read = async (): Promise<void> => {
      if (this.#client.isClosed()) return;
      this.#requireReader();
      account.pay(0);
      const isOccupied = this.#rooms.get(request.room)?.joined ?? false;
      const page = await readMembers(context, { ...request, isOccupied });
      account.owe(READING_COST * page.members.length);
      answers.send(page, ref);
    };
    this.#pageReads ??= new Semaphore(PAGES_AT_ONCE.connection);
    if (this.#pageReads.waiting >= PAGES_WAITING_MAX) throw answers.pendingLimit();
    await this.#pageReads.run(() => context.pageReads.run(read));
  }

  async #enter(room: JoinedRoom, answer: JoinAnswer, since?: HistoryPosition): Promise<void> {
    const { membership } = this.#client.context;
    if (!room.joined && since !== undefined) {
      this.#requireReader();
      this.#client.account.pay(0);
    }
    let entered: EnteredRoom | undefined;
    try {
      entered = await membership.join(this.#client.socket.id, room.name);
    } catch (error) {
      if (isCmError(error) && error.code === "capacity-reached") {
        this.#client.context.reached.count(error.details?.limit === "maxRooms" ? "server-rooms" : "memberships");
      }
      throw error;
    }
    if (room.joined) {
      if (!this.#client.isClosed()) answer(entered?.position);
      return;
    }
    const position = entered?.position;
    if (since === undefined) this.#begin(room, answer, position);
    else if (position === undefined) this.#begin(room, answer, { recovered: false });
    else await this.#recover(room, answer, since);
  }

  /** Lets the client get the room's messages, after those that it missed since `since`. */
  #recover(room: JoinedRoom, answer: JoinAnswer, since: HistoryPosition): Promise<void> {
    const { router, recovery: limit } = this.#client.context;
    return router.recover(
      room.name,
      since,
      limit,
      ({ position, recovered, frames }) => {
        this.#client.account.owe(READING_COST * frames.length);
        this.#begin(room, answer, { ...position, recovered }, frames);
      },
      // Check again when the recovery begins, because the client may have joined many rooms at once.
      () => !this.#client.isClosed() && this.#client.isReader(),
    );
  }

  /** Answers a join, and lets the client get the room's messages. */
  #begin(room: JoinedRoom, answer: JoinAnswer, more: AckDetails | undefined, missed: readonly Uint8Array[] = []): void {
    if (this.#client.isClosed()) return;
    room.joined = true;
    answer(more);
    for (const frame of missed) this.#client.socket.send(frame);
    // Enter the room after sending the response, in the same turn of the event loop, so that all messages
    // follow the response and none is missed.
    if (!this.#client.isClosed()) this.#client.socket.enter(room.name);
  }

  #requireReader(): void {
    if (this.#client.isReader()) return;
    throw UNREAD;
  }

  async #exit(room: JoinedRoom): Promise<void> {
    if (!room.joined) return;
    room.joined = false;
    this.#client.socket.leave(room.name);
    await this.#client.context.membership.leave(this.#client.socket.id, room.name);
  }

  /** Runs a client's operation on a room after all earlier ones, and sends the client an error if it fails. */
  #inRoom(room: JoinedRoom, ref: Ref | undefined, operation: () => Promise<void>): void {
    this.#rooms.keep(room);
    void this.#client.answers.wait(ref, () => this.#rooms.inOrder(room, operation));
    // Does nothing unless `wait` has refused the request without running it.
    this.#rooms.tidy(room);
  }

  /** Takes the connection out of a room without a request by the client, and notifies the client. */
  async #remove(room: JoinedRoom): Promise<void> {
    this.#rooms.leave(room);
    // An operation that waits for a hook may come before the removal; the client must get no more messages meanwhile.
    if (room.joined) this.#client.socket.leave(room.name);
    await this.#rooms.inOrder(room, async () => {
      if (!room.joined) return;
      await this.#exit(room);
      this.#client.answers.send({ type: "removed", room: room.name, code: "forbidden" }, undefined);
    });
  }
}
