import {
  CLIENT_PROTOCOL_VERSION,
  type ClientFrame,
  CmError,
  type ErrorCode,
  isCmError,
  parseClientFrame,
  type Ref,
  type Sender,
} from "@cm/protocol";
import { burstRate, type TransportConnection } from "@cm/transport";
import type { GatewayUser } from "../gateway-options.js";
import type { FanOutAccount } from "../limits/fan-out-budget.js";
import { ByteRate } from "./byte-rate.js";
import type { HookConnection } from "./hooks.js";
import { ClientResponses } from "./messages/client-responses.js";
import { DirectMessages } from "./messages/direct-messages.js";
import { type PermissionClient, Permissions } from "./permissions.js";
import { RequestRate } from "./request-rate.js";
import { type RoomClient, RoomRequests, type RoomSocket } from "./rooms/room-requests.js";
import type { SessionContext } from "./session-context.js";
import { SessionCredential } from "./session-credential.js";

/** The rate of malformed frames. If a client exceeds it, its connection is closed. */
const FAULT_RATE = burstRate(10);

/** Maximum time for a client to send `hello`, in milliseconds. */
const HELLO_TIMEOUT_MS = 10_000;

/**
 * Error codes of well-formed frames with an invalid name. Such frames are refused like any other request, and
 * not counted as faults.
 */
const NAME_FAULTS: ReadonlySet<ErrorCode> = new Set(["name-invalid", "name-too-long", "id-invalid"]);

// Created once, because recording the call stack of an error takes longer than all else that a refusal costs.
const TOO_MANY_REQUESTS = new CmError("rate-limited", "Too many requests; this request was not executed.");
const TOO_MANY_BYTES = new CmError("rate-limited", "Too many bytes; this request was not executed.");

/** Maximum number of direct messages that wait for the welcome; further ones are refused. */
const EARLY_MAX = 32;

/** A request that a client may send after `hello`. */
type Request = Exclude<ClientFrame, { type: "hello" }>;
type RequestOf<T extends Request["type"]> = Extract<Request, { type: T }>;

type SocketLike = Pick<TransportConnection<unknown>, "userId" | "close" | "bufferedBytes"> & RoomSocket;

/**
 * The session of one client, from `hello` to close. It is also the client that its parts work for, so that they need no
 * functions and copies of their own.
 */
export class ClientSession implements RoomClient, PermissionClient {
  /** The request handlers of a registered connection, by frame type. */
  static readonly #handlers: {
    readonly [T in Request["type"]]: (session: ClientSession, frame: RequestOf<T>) => void;
  } = {
    ping: (session, { ref }) => session.answers.send({ type: "pong" }, ref),
    join: (session, frame) => session.#rooms.join(frame),
    leave: (session, { room, ref }) => session.#rooms.leave(room, ref),
    publish: (session, frame) => session.#rooms.publish(frame),
    send: (session, frame) => session.#directMessages().send({ connection: frame.connection }, frame),
    "send-user": (session, frame) => session.#directMessages().send({ user: frame.user }, frame),
    members: (session, frame) => session.#rooms.askMembers(frame),
    refresh: (session, frame) => session.#ownCredential().refresh(frame),
  };

  readonly context: SessionContext;
  readonly socket: SocketLike;
  readonly permissions: Permissions;
  readonly answers: ClientResponses;
  readonly #rooms: RoomRequests;
  /** Created with the first message, because most clients only receive. */
  #from: Sender | undefined;
  /** Created with the first request that costs deliveries. */
  #account: FanOutAccount | undefined;
  /** Created with the first direct message, because most clients send none. */
  #direct: DirectMessages | undefined;
  readonly #requests: RequestRate;
  readonly #bytes: ByteRate;
  /** Created with the first faulty frame. */
  #faults: RequestRate | undefined;
  /** Closes the connection if it does not send `hello`; `undefined` once it has, or has closed. */
  #helloTimer: NodeJS.Timeout | undefined;
  /** Created with the first hook. */
  #hookConnection: HookConnection | undefined;
  /** Created with the first credential that expires, or with the first token that the client sends. */
  #credential: SessionCredential | undefined;
  #user: GatewayUser;
  /**
   * Whether `onConnect` was called for this connection, so that the application must also be notified of the
   * close.
   */
  #isKnown = false;
  /**
   * `waiting` for `hello`; `deciding` while `onConnect` decides; `registering` while the store adds the connection, so
   * that messages may arrive already; `ready`; `closed`.
   */
  #state: "waiting" | "deciding" | "registering" | "ready" | "closed" = "waiting";
  /** Direct messages that arrived while the store was adding the connection. */
  #early: Uint8Array[] | undefined;
  /**
   * Settles when `hello` has been handled; frames that follow `hello` immediately wait for it. `undefined` before
   * `hello` and after it has been handled.
   */
  #registered: Promise<void> | undefined;

  constructor(context: SessionContext, socket: SocketLike, user: GatewayUser) {
    this.context = context;
    this.socket = socket;
    this.#user = user;
    this.permissions = new Permissions(this, user.rights);
    this.answers = new ClientResponses(socket, context);
    this.#rooms = new RoomRequests(this);
    const now = context.monotonicMs();
    this.#requests = new RequestRate(context.requestRate, now);
    this.#bytes = new ByteRate(context.byteRate, now);
    this.#helloTimer = setTimeout(() => socket.close("hello-timeout"), HELLO_TIMEOUT_MS);
    this.#helloTimer.unref();
  }

  /** The sender of the client's messages. */
  get from(): Sender {
    this.#from ??= { connection: this.socket.id, user: this.socket.userId };
    return this.#from;
  }

  /** The deliveries that the client may still cause. */
  get account(): FanOutAccount {
    this.#account ??= this.context.fanOut.account();
    return this.#account;
  }

  get hookConnection(): HookConnection {
    this.#hookConnection ??= { id: this.socket.id, userId: this.socket.userId, data: this.#user.data };
    return this.#hookConnection;
  }

  /** Handles one text frame. Never throws. */
  onText(text: string): void {
    if (this.#state === "closed") return;
    const now = this.context.monotonicMs();
    const rate = this.#requests.takeRequest(now);
    if (rate !== "allowed") {
      this.context.faults.count("rate-limited");
      this.context.reached.count("requests");
    }
    if (rate === "abusive") {
      this.socket.close("overloaded", "too many requests");
      return;
    }
    const fits = this.#bytes.takeFrame(text, now);
    if (!fits) this.context.reached.count("bytes");
    const parsed = parseClientFrame(text);
    if (!parsed.ok) {
      // Do not count an invalid name as a fault of the client's program, because a user may have typed it.
      if (NAME_FAULTS.has(parsed.error.code)) this.answers.refuse(parsed.error, parsed.ref);
      else this.#onFault(parsed.error, parsed.ref);
      return;
    }
    const frame = parsed.value;
    if (rate === "limited" || !fits) {
      this.answers.refuse(rate === "limited" ? TOO_MANY_REQUESTS : TOO_MANY_BYTES, frame.ref);
      return;
    }
    this.#onFrame(frame);
  }

  /**
   * Sends the client a direct message. Up to 32 messages that arrive while the store adds the connection are kept and
   * sent after the welcome. Returns `false` if the message is neither sent nor kept, as before `onConnect` has allowed
   * the connection. A kept message is lost if the store fails, like the messages of a socket that fails.
   */
  deliver(frame: Uint8Array): boolean {
    if (this.#state === "ready") return this.socket.send(frame);
    if (this.#state !== "registering") return false;
    this.#early ??= [];
    if (this.#early.length >= EARLY_MAX) return false;
    // Copy the frame: its bytes are only valid during the call.
    this.#early.push(Uint8Array.from(frame));
    return true;
  }

  /** Reports a frame that is not text or is too large. */
  onUnreadable(error: CmError): void {
    if (this.#state !== "closed") this.#onFault(error, undefined);
  }

  /** Must be called when the socket has closed. */
  onClosed(code: number, reason: string): void {
    this.#endHelloTimer();
    this.#credential?.watch(undefined);
    this.#state = "closed";
    const rooms = this.#rooms.size;
    this.#rooms.clear();
    this.#early = undefined;
    // Also close a connection that was never registered: the membership does not know it, but reports no error.
    const { removals, membership, onFault } = this.context;
    removals.run(rooms + 1, () => membership.close(this.socket.id).catch(onFault));
    const { onClose } = this.context.hooks;
    if (onClose === undefined || !this.#isKnown) return;
    const { hookConnection } = this;
    this.context.closingHooks.call(() => onClose(hookConnection, { code, reason }));
  }

  /**
   * Puts the connection into a room, like a join by the client. Resolves with `false` if the connection is not
   * registered, or has left the room again. Rejects with `rooms-limit`, or as {@link Membership.join}.
   */
  async admit(room: string): Promise<boolean> {
    return this.#state === "ready" && this.#rooms.admit(room);
  }

  /**
   * Takes the connection out of a room, like a leave by the client. Resolves with `false` if the connection is
   * not registered.
   */
  async expel(room: string): Promise<boolean> {
    if (this.#state !== "ready") return false;
    await this.#rooms.expel(room);
    return true;
  }

  /** Closes the connection if its credential was revoked. Returns whether it was closed. */
  closeIf(isRevoked: (user: GatewayUser) => boolean): boolean {
    if (this.isClosed() || !isRevoked(this.#user)) return false;
    this.socket.close("unauthorized", "revoked");
    return true;
  }

  #onFault(error: CmError, ref: Ref | undefined): void {
    this.context.faults.count(error.code);
    this.answers.refuse(error, ref);
    const now = this.context.monotonicMs();
    this.#faults ??= new RequestRate(FAULT_RATE, now);
    if (this.#faults.takeRequest(now) !== "allowed") {
      this.context.reached.count("faulty-frames");
      this.socket.close("protocol-error", "too many faulty frames");
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
      case "deciding":
      case "registering":
        void this.answers.wait(frame.ref, async () => {
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
      this.answers.refuse(
        new CmError("version-unsupported", `This server supports version ${CLIENT_PROTOCOL_VERSION}.`),
        ref,
      );
      this.socket.close("version-unsupported");
      return;
    }
    this.#endHelloTimer();
    this.#state = "deciding";
    this.#registered = this.#register(ref).finally(() => {
      this.#registered = undefined;
    });
  }

  async #register(ref: Ref | undefined): Promise<void> {
    const { membership, userLimit, serverId, limits } = this.context;
    this.#isKnown = true;
    const decision = this.permissions.connect();
    if (decision !== undefined) {
      try {
        await decision;
      } catch (error) {
        this.answers.refuse(error, ref);
        const isFault = !isCmError(error) || error.code === "internal";
        this.socket.close(isFault ? "internal" : error.retryable ? "unavailable" : "unauthorized");
        return;
      }
      if (this.isClosed()) return;
    }
    this.#state = "registering";
    try {
      await userLimit.open({ connectionId: this.socket.id, userId: this.socket.userId });
    } catch (error) {
      this.answers.refuse(error, ref);
      const isTooMany = isCmError(error) && error.code === "connections-limit";
      this.socket.close(isTooMany ? "connections-limit" : "unavailable");
      return;
    }
    if (this.isClosed()) {
      await membership.close(this.socket.id);
      return;
    }
    this.#state = "ready";
    const { id: connection, userId: user } = this.socket;
    this.answers.send(
      {
        type: "welcome",
        version: CLIENT_PROTOCOL_VERSION,
        connection,
        user,
        ...(serverId === undefined ? {} : { server: serverId }),
        limits,
      },
      ref,
    );
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const frame of early) this.socket.send(frame);
    if (!this.isClosed()) this.#watchCredential();
  }

  #directMessages(): DirectMessages {
    const { router, charges, limits } = this.context;
    this.#direct ??= new DirectMessages({
      from: this.from,
      permissions: this.permissions,
      answers: this.answers,
      account: this.account,
      router,
      charges,
      maxDataBytes: limits.maxFrameBytes,
      isClosed: () => this.isClosed(),
    });
    return this.#direct;
  }

  #endHelloTimer(): void {
    clearTimeout(this.#helloTimer);
    // A timer that is kept takes 150 bytes.
    this.#helloTimer = undefined;
  }

  #handle<T extends Request["type"]>(frame: RequestOf<T>): void {
    // The compiler can't infer that the `type` of a frame of type T is T.
    ClientSession.#handlers[frame.type as T](this, frame);
  }

  isReader(): boolean {
    const isReader = this.socket.bufferedBytes <= this.context.maxUnreadBytes;
    if (!isReader) this.context.reached.count("unread-answers");
    return isReader;
  }

  /** Applies the user and rights of a new token. */
  async #take(user: GatewayUser): Promise<void> {
    if (this.isClosed()) return;
    this.#user = user;
    this.#hookConnection = undefined;
    this.permissions.replace(user.rights);
    this.#watchCredential();
    await this.#rooms.applyRights();
  }

  #watchCredential(): void {
    const { expiresAtMs } = this.#user;
    if (expiresAtMs !== undefined) this.#ownCredential().watch(expiresAtMs);
    else this.#credential?.watch(undefined);
  }

  #ownCredential(): SessionCredential {
    this.#credential ??= new SessionCredential({
      context: this.context,
      answers: this.answers,
      user: () => this.#user,
      take: (user) => this.#take(user),
      expired: () => this.socket.close("unauthorized", "the token expired"),
    });
    return this.#credential;
  }

  /** This is a method because the compiler would assume that a property can't change during an await. */
  isClosed(): boolean {
    return this.#state === "closed";
  }
}
