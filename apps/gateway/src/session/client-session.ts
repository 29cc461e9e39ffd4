import type { Membership } from "@cm/membership";
import {
  CLIENT_PROTOCOL_VERSION,
  type ClientFrame,
  CmError,
  type ConnectionLimits,
  type ErrorCode,
  type HistoryPosition,
  isCmError,
  ownerOf,
  parseClientFrame,
  type Ref,
  type RoomDirectory,
  type Sender,
} from "@cm/protocol";
import type { ConfirmedOutcome, RecoveryLimit, RouteOutcome, Router } from "@cm/router";
import type { FaultCounter, TransportConnection } from "@cm/transport";
import type { GatewayUser } from "../gateway-options.js";
import { type AckDetails, Answers } from "./answers.js";
import { CredentialLife, type CredentialTimes } from "./credential-life.js";
import type { DirectTarget, HookConnection } from "./hooks.js";
import type { PageCursors } from "./page-cursors.js";
import { forbidden, type PermissionContext, Permissions } from "./permissions.js";
import { SessionRoom } from "./session-room.js";
import { TokenBucket } from "./token-bucket.js";
import { writeData } from "./written-data.js";

/** What every session of a gateway shares. */
export interface SessionContext extends PermissionContext {
  readonly serverId: string;
  readonly membership: Membership;
  readonly router: Router;
  readonly rooms: Pick<RoomDirectory, "members" | "count">;
  readonly limits: ConnectionLimits;
  /** Seals the cursors of members pages. */
  readonly cursors: PageCursors;
  /** What a client is sent at most of what it missed. */
  readonly recovery: RecoveryLimit;
  /** Hears of every faulty frame and of every request over the rate. */
  readonly faults: Pick<FaultCounter, "count">;
  /** Milliseconds on a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly credentialTimes: CredentialTimes;
  /** Reads a token that a client hands in while it is connected. Absent: it can't. */
  readonly refresh: ((token: string) => Promise<GatewayUser>) | undefined;
  /** Faults of the gateway's own, which the client only sees as `internal`. */
  readonly onFault: (error: unknown) => void;
}

/** How long a client may take to say hello. */
const HELLO_TIMEOUT_MS = 10_000;

/** Frames that make no sense: so many at once, and this many a second later, before the connection is closed. */
const FAULTS_PER_SECOND = 10;

/** Frames that are well-formed and name what can't be there: refused like any request, and no reason to close. */
const NAME_FAULTS: ReadonlySet<ErrorCode> = new Set(["name-invalid", "name-too-long", "id-invalid"]);

/** Direct messages that wait for the welcome; more than this in the moment that it takes are refused. */
const EARLY_MAX = 32;

/** How long a `send` with `confirm` waits for the owning server, in milliseconds. */
const CONFIRMATION = { confirmMs: 5_000 };

/** What a client asks once it has said hello. */
type Request = Exclude<ClientFrame, { type: "hello" }>;
type RequestOf<T extends Request["type"]> = Extract<Request, { type: T }>;

type SocketLike = Pick<TransportConnection<unknown>, "id" | "userId" | "send" | "enter" | "leave" | "close">;

/** One client's conversation, from hello to close. */
export class ClientSession {
  /** What is done about each request of a connection that is registered. */
  static readonly #handlers: {
    readonly [T in Request["type"]]: (session: ClientSession, frame: RequestOf<T>) => void;
  } = {
    ping: (session, { ref }) => session.#answers.send({ type: "pong" }, ref),
    join: (session, frame) => session.#join(frame),
    leave: (session, { room, ref }) => session.#leave(room, ref),
    publish: (session, frame) => session.#publish(frame),
    send: (session, frame) => session.#sendToConnection(frame),
    "send-user": (session, frame) => session.#sendToUser(frame),
    members: (session, frame) => session.#askMembers(frame),
    refresh: (session, frame) => session.#refresh(frame),
  };

  readonly #context: SessionContext;
  readonly #socket: SocketLike;
  readonly #from: Sender;
  readonly #answers: Answers;
  readonly #seats = new Map<string, SessionRoom>();
  /** Seats that the client wants; one that is being left does not count against its limit. */
  #wantedSeats = 0;
  readonly #requests: TokenBucket;
  readonly #faults: TokenBucket;
  readonly #helloTimer: NodeJS.Timeout;
  readonly #asked: HookConnection;
  readonly #permissions: Permissions;
  /** Absent while what the client came with does not expire. */
  #credential: CredentialLife | undefined;
  /** Settles when the tokens that were handed in so far were taken or refused: the last one counts. */
  #refreshTurn: Promise<unknown> = Promise.resolve();
  #user: GatewayUser;
  /** Whether the application was asked about this connection, and so hears of its end. */
  #isKnown = false;
  /** Settles when the direct messages so far were decided about. */
  #directTurn: Promise<unknown> = Promise.resolve();
  #state: "waiting" | "registering" | "ready" | "closed" = "waiting";
  /** Direct messages from those who found the connection while it was being registered. */
  #early: Uint8Array[] = [];
  /** Settles when the hello was answered, for frames that came right behind it. */
  #registered: Promise<void> = Promise.resolve();

  constructor(context: SessionContext, socket: SocketLike, user: GatewayUser) {
    this.#context = context;
    this.#socket = socket;
    this.#from = { connection: socket.id, user: socket.userId };
    this.#asked = { id: socket.id, userId: socket.userId, data: user.data };
    this.#user = user;
    this.#permissions = new Permissions(context, this.#asked, user.rights);
    this.#answers = new Answers((text) => {
      if (!this.#isClosed()) socket.send(text);
    }, context.onFault);
    const now = context.monotonicMs();
    this.#requests = new TokenBucket(context.limits.maxRequestsPerSecond, now);
    this.#faults = new TokenBucket(FAULTS_PER_SECOND, now);
    this.#helloTimer = setTimeout(() => socket.close("hello-timeout"), HELLO_TIMEOUT_MS);
    this.#helloTimer.unref();
  }

  /** Takes one text frame. Never throws. */
  onText(text: string): void {
    if (this.#state === "closed") return;
    const rate = this.#requests.take(this.#context.monotonicMs());
    if (rate !== "allowed") this.#context.faults.count("rate-limited");
    if (rate === "abusive") {
      this.#socket.close("overloaded", "too many requests");
      return;
    }
    const parsed = parseClientFrame(text);
    if (!parsed.ok) {
      // A name may be what somebody typed: the client's program is not at fault.
      if (NAME_FAULTS.has(parsed.error.code)) this.#answers.refuse(parsed.error, parsed.ref);
      else this.#onFault(parsed.error, parsed.ref);
      return;
    }
    const frame = parsed.value;
    if (rate === "limited") {
      this.#answers.refuse(new CmError("rate-limited", "Too many requests; this one was not carried out."), frame.ref);
      return;
    }
    this.#onFrame(frame);
  }

  /**
   * Sends the client a direct message; what comes while the connection is being registered
   * comes behind the welcome. False where the connection can't be reached.
   */
  deliver(frame: Uint8Array): boolean {
    if (this.#state === "ready") return this.#socket.send(frame);
    if (this.#state !== "registering" || this.#early.length >= EARLY_MAX) return false;
    // A copy: the bytes are only valid during the call.
    this.#early.push(Uint8Array.from(frame));
    return true;
  }

  /** Takes note of a frame that is not text, or too large. */
  onUnreadable(error: CmError): void {
    if (this.#state !== "closed") this.#onFault(error, undefined);
  }

  /** The socket is gone. */
  onClosed(code: number, reason: string): void {
    clearTimeout(this.#helloTimer);
    this.#credential?.watch(undefined);
    this.#state = "closed";
    this.#seats.clear();
    this.#early = [];
    // A connection that was never registered is unknown there, which is no error.
    this.#context.membership.close(this.#socket.id).catch(this.#context.onFault);
    const { onClose } = this.#context.hooks;
    if (onClose === undefined || !this.#isKnown) return;
    const tell = async (): Promise<void> => onClose(this.#asked, { code, reason });
    tell().catch(this.#context.onFault);
  }

  /**
   * Puts the connection into a room, as its own join would. False where it is not
   * registered, or left meanwhile. Fails with `rooms-limit`, or as {@link Membership.join}.
   */
  async admit(room: string): Promise<boolean> {
    if (this.#state !== "ready") return false;
    const seat = this.#seatIn(room);
    seat.isAdmitted = true;
    await this.#inTurn(room, seat, () => this.#enter(room, seat, () => undefined));
    return seat.joined && !this.#isClosed();
  }

  /** Takes the connection out of a room, as its own leave would. False where it is not registered. */
  async expel(room: string): Promise<boolean> {
    if (this.#state !== "ready") return false;
    const seat = this.#seats.get(room);
    if (seat !== undefined) await this.#remove(room, seat);
    return true;
  }

  /** Closes the connection where what it came with was revoked. */
  closeIf(isRevoked: (user: GatewayUser) => boolean): boolean {
    if (this.#isClosed() || !isRevoked(this.#user)) return false;
    this.#socket.close("unauthorized", "revoked");
    return true;
  }

  #onFault(error: CmError, ref: Ref | undefined): void {
    this.#context.faults.count(error.code);
    this.#answers.refuse(error, ref);
    if (this.#faults.take(this.#context.monotonicMs()) !== "allowed") {
      this.#socket.close("protocol-error", "too many faulty frames");
    }
  }

  #onFrame(frame: ClientFrame): void {
    if (frame.type === "hello") {
      this.#hello(frame.version, frame.ref);
      return;
    }
    switch (this.#state) {
      case "ready":
        this.#handle(frame);
        break;
      case "registering":
        void this.#answers.wait(frame.ref, async () => {
          await this.#registered;
          if (this.#state === "ready") this.#handle(frame);
        });
        break;
      case "waiting":
        this.#onFault(new CmError("hello-required", "The first frame must be hello."), frame.ref);
        break;
      case "closed":
        break;
    }
  }

  #hello(version: number, ref: Ref | undefined): void {
    if (this.#state !== "waiting") {
      this.#onFault(new CmError("hello-repeated", "hello was sent already."), ref);
      return;
    }
    if (version !== CLIENT_PROTOCOL_VERSION) {
      this.#answers.refuse(
        new CmError("version-unsupported", `This server speaks version ${CLIENT_PROTOCOL_VERSION}.`),
        ref,
      );
      this.#socket.close("version-unsupported");
      return;
    }
    clearTimeout(this.#helloTimer);
    this.#state = "registering";
    this.#registered = this.#register(ref);
  }

  async #register(ref: Ref | undefined): Promise<void> {
    const { membership, serverId, limits } = this.#context;
    this.#isKnown = true;
    const decision = this.#permissions.connect();
    if (decision !== undefined) {
      try {
        await decision;
      } catch (error) {
        this.#answers.refuse(error, ref);
        const mayReturn = isCmError(error) && error.retryable;
        this.#socket.close(!isCmError(error) ? "internal" : mayReturn ? "unavailable" : "unauthorized");
        return;
      }
      if (this.#isClosed()) return;
    }
    try {
      await membership.open({ connectionId: this.#socket.id, userId: this.#socket.userId });
    } catch (error) {
      this.#answers.refuse(error, ref);
      this.#socket.close("unavailable");
      return;
    }
    if (this.#isClosed()) {
      await membership.close(this.#socket.id);
      return;
    }
    this.#state = "ready";
    const { connection, user } = this.#from;
    this.#answers.send(
      { type: "welcome", version: CLIENT_PROTOCOL_VERSION, connection, user, server: serverId, limits },
      ref,
    );
    for (const early of this.#early.splice(0)) this.#socket.send(early);
    if (!this.#isClosed()) this.#watchCredential();
  }

  #handle<T extends Request["type"]>(frame: RequestOf<T>): void {
    // The compiler does not see that `type` of a frame of type T is T.
    ClientSession.#handlers[frame.type as T](this, frame);
  }

  #join({ room, since, ref }: RequestOf<"join">): void {
    let seat: SessionRoom;
    try {
      seat = this.#seatIn(room);
    } catch (error) {
      this.#answers.refuse(error, ref);
      return;
    }
    this.#inRoom(room, seat, ref, async () => {
      const decision = seat.joined ? undefined : this.#permissions.join(room);
      if (decision !== undefined) {
        await decision;
        if (this.#isClosed()) return;
        // The rights may have been replaced meanwhile.
        if (!this.#permissions.mayJoin(room)) throw forbidden("join this room");
      }
      await this.#enter(room, seat, (more) => this.#answers.ack(ref, more), since);
    });
  }

  /** The seat to take in a room; `rooms-limit` thrown where that is one too many. */
  #seatIn(room: string): SessionRoom {
    const seat = this.#seats.get(room) ?? new SessionRoom(room, this.#from, this.#permissions.mayPublish(room));
    if (!seat.wanted) {
      const { maxRooms } = this.#context.limits;
      if (this.#wantedSeats >= maxRooms) {
        throw new CmError("rooms-limit", `A connection can be in at most ${maxRooms} rooms.`);
      }
      this.#want(seat, true);
    }
    return seat;
  }

  async #enter(
    room: string,
    seat: SessionRoom,
    answer: (more: AckDetails | undefined) => void,
    since?: HistoryPosition,
  ): Promise<void> {
    const { membership, router, recovery: limit } = this.#context;
    if (seat.joined) {
      answer(router.positionOf(room));
      return;
    }
    await membership.join(this.#socket.id, room);
    const sitDown = (more: AckDetails | undefined, missed: readonly Uint8Array[]): void => {
      if (this.#isClosed()) return;
      seat.joined = true;
      answer(more);
      for (const frame of missed) this.#socket.send(frame);
      // After the answer and in the same turn: messages begin behind it, and none is missed.
      if (!this.#isClosed()) this.#socket.enter(room);
    };
    const position = router.positionOf(room);
    if (since === undefined) sitDown(position, []);
    else if (position === undefined) sitDown({ recovered: false }, []);
    else {
      await router.recover(room, since, limit, ({ position: at, recovered, frames }) => {
        sitDown({ ...at, recovered }, frames);
      });
    }
  }

  #leave(room: string, ref: Ref | undefined): void {
    const seat = this.#seats.get(room);
    if (seat === undefined) {
      this.#answers.ack(ref);
      return;
    }
    this.#want(seat, false);
    this.#inRoom(room, seat, ref, async () => {
      await this.#exit(room, seat);
      this.#answers.ack(ref);
    });
  }

  async #exit(room: string, seat: SessionRoom): Promise<void> {
    if (!seat.joined) return;
    seat.joined = false;
    this.#socket.leave(room);
    await this.#context.membership.leave(this.#socket.id, room);
  }

  /** Runs an operation that the client asked for, see {@link #inTurn}, and answers where it fails. */
  #inRoom(room: string, seat: SessionRoom, ref: Ref | undefined, operation: () => Promise<void>): void {
    this.#seats.set(room, seat);
    void this.#answers
      .wait(ref, () => this.#inTurn(room, seat, operation))
      // Also where it was refused before its turn.
      .finally(() => this.#tidy(room, seat));
  }

  /** Runs an operation on a room after the ones before it, and forgets the seat when nobody sits there. */
  async #inTurn(room: string, seat: SessionRoom, operation: () => Promise<void>): Promise<void> {
    this.#seats.set(room, seat);
    try {
      await seat.run(async () => (this.#isClosed() ? undefined : operation()));
    } finally {
      this.#tidy(room, seat);
    }
  }

  #tidy(room: string, seat: SessionRoom): void {
    if (seat.busy || this.#seats.get(room) !== seat) return;
    // What it came to; a request may have been refused on the way.
    this.#want(seat, seat.joined);
    if (!seat.joined) this.#seats.delete(room);
  }

  #want(seat: SessionRoom, wanted: boolean): void {
    if (seat.wanted === wanted) return;
    seat.wanted = wanted;
    this.#wantedSeats += wanted ? 1 : -1;
  }

  #publish(frame: RequestOf<"publish">): void {
    const seat = this.#seats.get(frame.room);
    if (seat !== undefined && this.#permissions.asksOnPublish) {
      this.#publishPermitted(seat, frame);
    } else if (seat?.busy) {
      this.#inRoom(frame.room, seat, frame.ref, async () => {
        await this.#publishFrom(seat, frame);
        this.#answers.ack(frame.ref);
      });
    } else {
      this.#answers.ackAfter(frame.ref, () => this.#publishFrom(seat, frame));
    }
  }

  /** The next operation on the room waits for the decision, not for the bus. */
  #publishPermitted(seat: SessionRoom, frame: RequestOf<"publish">): void {
    const { room, data, ref } = frame;
    void this.#answers.wait(ref, async () => {
      let sent: Promise<unknown> | undefined;
      await this.#inTurn(room, seat, async () => {
        if (seat.joined && seat.mayPublish) await this.#permissions.publish(room, data);
        if (this.#isClosed()) return;
        sent = this.#publishFrom(seat, frame);
        // Waited for outside of the turn.
        sent.catch(() => undefined);
      });
      await sent;
      this.#answers.ack(ref);
    });
  }

  #publishFrom(seat: SessionRoom | undefined, { room, data, echo }: RequestOf<"publish">): Promise<unknown> {
    if (!seat?.joined) return Promise.reject(new CmError("not-a-member", "Only members publish to a room."));
    if (!seat.mayPublish) return Promise.reject(forbidden("publish to this room"));
    let text: string;
    try {
      text = `${seat.frameHead}${writeData(data, this.#context.limits.maxFrameBytes)}}`;
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#context.router.toRoom(room, text, echo ? undefined : [this.#socket.id]);
  }

  #sendToConnection(frame: RequestOf<"send">): void {
    this.#direct(
      (bytes) =>
        frame.confirm
          ? this.#context.router.toConnection(frame.connection, bytes, CONFIRMATION)
          : this.#context.router.toConnection(frame.connection, bytes),
      "The connection is not there.",
      frame,
      { connection: frame.connection },
    );
  }

  #sendToUser(frame: RequestOf<"send-user">): void {
    this.#direct(
      (bytes) =>
        frame.confirm
          ? this.#context.router.toUser(frame.user, bytes, CONFIRMATION)
          : this.#context.router.toUser(frame.user, bytes),
      "The user is not online.",
      frame,
      { user: frame.user },
    );
  }

  #direct(
    route: (frame: Uint8Array) => Promise<RouteOutcome | ConfirmedOutcome>,
    absent: string,
    { data, ref }: { readonly data: unknown; readonly ref?: Ref },
    to: DirectTarget,
  ): void {
    void this.#answers.wait(ref, async () => {
      if (this.#permissions.asksOnSend) {
        const decided = this.#directTurn.then(() => this.#permissions.send(to, data));
        this.#directTurn = decided.catch(() => undefined);
        await decided;
        if (this.#isClosed()) return;
      } else {
        await this.#permissions.send(to, data);
      }
      const head = `{"type":"direct","from":${JSON.stringify(this.#from)},"data":`;
      const outcome = await route(Buffer.from(`${head}${writeData(data, this.#context.limits.maxFrameBytes)}}`));
      if (!this.#permissions.mayKnowOf(to)) this.#answers.ack(ref, { outcome: "sent" });
      else if (outcome === "not-found") throw new CmError("not-found", absent);
      else if (outcome === "timeout") throw new CmError("timeout", "The owning server did not answer in time.");
      else this.#answers.ack(ref, { outcome });
    });
  }

  #askMembers(frame: RequestOf<"members">): void {
    // Behind a join or leave of the same room that is still under way.
    const seat = this.#seats.get(frame.room);
    if (seat?.busy) this.#inRoom(frame.room, seat, frame.ref, () => this.#members(frame));
    else void this.#answers.wait(frame.ref, () => this.#members(frame));
  }

  async #members({ room, limit, cursor, ref }: RequestOf<"members">): Promise<void> {
    const { rooms, membership, cursors } = this.#context;
    await this.#permissions.members(room);
    const from = cursor === undefined ? undefined : cursors.open(room, cursor);
    const [page, total] = await Promise.all([rooms.members(room, { limit, cursor: from }), rooms.count(room)]);
    // Where the store takes no heartbeats, it leaves out the members of all servers before long,
    // and where it was emptied, also those who are here.
    if (!membership.holdsLease || (total === 0 && this.#seats.get(room)?.joined)) {
      throw new CmError("unavailable", "Who is in the room is not known for now.");
    }
    const members = page.items.map(({ connectionId, userId }) => ({
      connection: connectionId,
      user: userId,
      server: ownerOf(connectionId) ?? "",
    }));
    const next = page.cursor === undefined ? {} : { cursor: cursors.seal(room, page.cursor) };
    this.#answers.send({ type: "members", room, members, total, ...next }, ref);
  }

  #refresh({ token, ref }: RequestOf<"refresh">): void {
    const { refresh, now } = this.#context;
    void this.#answers.wait(ref, async () => {
      if (refresh === undefined) throw new CmError("operation-unknown", "This server takes no tokens.");
      const taken = this.#refreshTurn.then(async () => this.#take(await refresh(token)));
      this.#refreshTurn = taken.catch(() => undefined);
      await taken;
      const { expiresAtMs } = this.#user;
      this.#answers.ack(ref, expiresAtMs === undefined ? {} : { expiresInMs: Math.max(0, expiresAtMs - now()) });
    });
  }

  /** Goes on as the user of another token. */
  async #take(user: GatewayUser): Promise<void> {
    if (this.#isClosed()) return;
    if (user.userId !== this.#user.userId) throw new CmError("forbidden", "The token is of another user.");
    this.#user = user;
    this.#permissions.replace(user.rights);
    this.#watchCredential();
    await this.#applyRights();
  }

  #watchCredential(): void {
    const { expiresAtMs } = this.#user;
    if (expiresAtMs !== undefined) {
      this.#credential ??= new CredentialLife(
        {
          expiring: (expiresInMs) => this.#answers.send({ type: "token-expiring", expiresInMs }, undefined),
          expired: () => this.#socket.close("unauthorized", "the token expired"),
        },
        this.#context.credentialTimes,
        this.#context.now,
      );
    }
    this.#credential?.watch(expiresAtMs);
  }

  /** Puts the connection out of the rooms that its rights do not allow any more. */
  async #applyRights(): Promise<void> {
    const removals: Promise<void>[] = [];
    for (const [room, seat] of this.#seats) {
      seat.mayPublish = this.#permissions.mayPublish(room);
      if (!seat.isAdmitted && !this.#permissions.mayJoin(room)) removals.push(this.#remove(room, seat));
    }
    await Promise.all(removals);
  }

  /** Takes the connection out of a room that it has not asked to leave, and tells it. */
  async #remove(room: string, seat: SessionRoom): Promise<void> {
    this.#want(seat, false);
    await this.#inTurn(room, seat, async () => {
      if (!seat.joined) return;
      await this.#exit(room, seat);
      this.#answers.send({ type: "removed", room, code: "forbidden" }, undefined);
    });
  }

  /** A call, since the state may have changed during an await, which the compiler does not see. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }
}
