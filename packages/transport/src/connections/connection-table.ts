import { setTimeout as sleep } from "node:timers/promises";
import { ERROR_CODES, encodeServerFrame, toCmError } from "@cm/protocol";
import { splitLongTurn } from "@cm/protocol/turns";
import type { AddressLimits } from "../admission/address-limits.js";
import { KeyedCounter } from "../counters/keyed-counter.js";
import type { ResolvedTransportOptions } from "../options/resolved-options.js";
import type { TransportStats } from "../transport-server.js";
import type { BaseConnection } from "./base-connection.js";
import { type CloseKind, closeKindOf } from "./close-kinds.js";
import { closeInWaves } from "./close-waves.js";
import { ControlFrames } from "./control-frames.js";
import { Drain, type DrainOptions } from "./drain.js";
import { Liveness } from "./liveness.js";
import type { SlowConsumers } from "./slow-consumers.js";
import { TimeSlicedCalls } from "./time-sliced-calls.js";
import { UserIndex } from "./user-index.js";

/** Time between two waves of close frames when the server closes, in milliseconds, and minimum size of a wave. */
const CLOSE_PACE = { waveMs: 20, waveMin: 50 } as const;

/** Maximum time for close frames to be written before their sockets are cut, in milliseconds. */
const FLUSH_GRACE_MS = 250;

/** The fault in a frame because of which the library ended the socket. */
export type FrameFaultCode = "frame-too-large" | "frame-invalid";

/** Counters that the transport provides, because the table does not have them. */
type OwnStats = Pick<
  TransportStats,
  | "upgrading"
  | "topics"
  | "memberships"
  | "membersBehind"
  | "messagesLeftOut"
  | "bytesHeldBack"
  | "acceptPauses"
  | "refused"
  | "limits"
>;

/**
 * The open connections of one server. The transport reports connection events to this class, which then calls
 * the handler, counts, sends pings, and runs the drain and the close.
 */
export class ConnectionTable<U, C extends BaseConnection<U>> {
  /** Open connections by id. */
  readonly byId: ReadonlyMap<string, C>;
  readonly #byId: Map<string, C>;
  readonly #options: ResolvedTransportOptions<U>;
  readonly #slow: SlowConsumers;
  readonly #addresses: AddressLimits;
  readonly #controlFrames: ControlFrames;
  readonly #users = new UserIndex<C>();
  readonly #liveness: Liveness;
  readonly #closes = new KeyedCounter<CloseKind>();
  /**
   * Runs the work after each close, spread over turns, because uWebSockets.js can report more than 1,024 closes
   * in one turn.
   */
  readonly #endings = new TimeSlicedCalls();
  readonly #closed = new AbortController();
  #framesTooLarge = 0;
  #lastClosedAt = Number.NEGATIVE_INFINITY;
  #drain: Drain<U> | undefined;

  /** `byId` must be empty, and is modified only by the table from now on. */
  constructor(
    options: ResolvedTransportOptions<U>,
    slow: SlowConsumers,
    addresses: AddressLimits,
    byId = new Map<string, C>(),
  ) {
    this.byId = byId;
    this.#byId = byId;
    this.#options = options;
    this.#slow = slow;
    this.#addresses = addresses;
    this.#controlFrames = new ControlFrames(options.maxControlFramesPerSecond, slow);
    slow.watch(byId);
    this.#liveness = new Liveness(options);
  }

  /** Starts pinging, and cutting connections from which nothing arrives. */
  start(): void {
    this.#liveness.start();
  }

  of(userId: string): C[] {
    return this.#users.of(userId);
  }

  countOf(userId: string): number {
    return this.#users.countOf(userId);
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    return this.#byId.get(connectionId)?.send(frame) ?? false;
  }

  toUser(userId: string, frame: Uint8Array): number {
    return this.#users.count(userId, (connection) => connection.send(frame));
  }

  /** Adds a connection whose socket can be written to. */
  opened(connection: C): void {
    this.#byId.set(connection.id, connection);
    this.#addresses.enter(connection.remoteAddress);
    this.#users.add(connection.userId, connection);
    this.#liveness.add(connection);
    splitLongTurn();
    this.#guarded(connection, () => this.#options.handler.open(connection));
  }

  /** Handles a frame of `byteLength` bytes; `read` converts it to text. */
  received(connection: C, byteLength: number, isBinary: boolean, read: () => string): void {
    // Ignore further frames of the same read from the socket if the handler of one frame closed the connection.
    if (!connection.open) return;
    this.#seen(connection);
    this.#slow.traffic.received(byteLength);
    const { maxFrameBytes, handler } = this.#options;
    this.#guarded(connection, () => {
      if (byteLength > maxFrameBytes) return this.#refuseFrame(connection);
      return isBinary ? handler.binary(connection) : handler.frame(connection, read());
    });
  }

  /** Handles a ping with a payload of `byteLength` bytes that the library has answered. */
  ping(connection: C, byteLength: number): void {
    if (!connection.open) return;
    this.#seen(connection);
    this.#controlFrames.pinged(connection, byteLength);
  }

  /** Handles a pong, whether or not the client was pinged. */
  pong(connection: C): void {
    if (!connection.open) return;
    this.#seen(connection);
    if (!this.#controlFrames.ponged(connection)) return;
    this.#guarded(connection, () => this.#options.handler.pong?.(connection));
  }

  /**
   * Removes a closed connection. Called once for each connection. `code` and `reason` are those that the library
   * reports; they are ignored if the server ended the connection. The connection is removed at once; if
   * thousands of connections close together, the handler is notified of some closes in later turns.
   */
  closed(connection: C, code: number, reason: string, fault?: FrameFaultCode): void {
    const ending = connection.detach();
    this.#byId.delete(connection.id);
    this.#addresses.leave(connection.remoteAddress);
    this.#users.remove(connection.userId, connection);
    this.#liveness.remove(connection);
    this.#slow.behind?.closed(connection);
    this.#lastClosedAt = performance.now();
    this.#closes.add(ending?.kind ?? closeKindOf(code));
    if (ending === undefined && fault === "frame-too-large") this.#countTooLarge();
    else if (ending === undefined && fault !== undefined) this.#options.faults.count(fault);
    // What other connections have asked for should not wait until thousands have closed.
    splitLongTurn();
    this.#endings.run(() => {
      connection.forgetRooms();
      this.#guarded(connection, () =>
        this.#options.handler.closed(connection, ending?.code ?? code, ending?.reason ?? reason),
      );
    });
  }

  /**
   * Closes the connections in waves, after `begin` has been called. Throws `options-invalid`, without calling
   * `begin`.
   */
  drain(options: DrainOptions, begin: () => void): Promise<void> {
    this.#drain = new Drain(this.#byId.values(), options, this.#closed.signal);
    begin();
    return this.#drain.run();
  }

  /** Ends a drain that is in progress. Called when the server closes. */
  endDrain(): void {
    this.#closed.abort();
  }

  /**
   * Closes every connection in waves, and waits up to `FLUSH_GRACE_MS` for the close frames to be written.
   * Does nothing if `closeTimeoutMs` is 0.
   */
  async goodbye(): Promise<void> {
    const { closeTimeoutMs } = this.#options;
    if (closeTimeoutMs === 0) return;
    await closeInWaves(this.#byId.values(), { overMs: closeTimeoutMs / 2, ...CLOSE_PACE });
    const graceMs = Math.min(FLUSH_GRACE_MS, closeTimeoutMs / 2);
    if (performance.now() - this.#lastClosedAt < graceMs) await sleep(graceMs);
  }

  /** Stops all timers, and notifies the handler of the closes that it has not been notified of yet. */
  stop(): void {
    this.#liveness.stop();
    this.#endings.flush();
  }

  stats(own: OwnStats): TransportStats {
    return {
      connections: this.#byId.size,
      upgrading: own.upgrading,
      users: this.#users.size,
      topics: own.topics,
      memberships: own.memberships,
      membersBehind: own.membersBehind,
      messagesLeftOut: own.messagesLeftOut,
      traffic: this.#slow.traffic.counts(),
      slowConsumersClosed: this.#slow.closed,
      bytesWaiting: this.#slow.waitingBytes(),
      bytesHeldBack: own.bytesHeldBack,
      bytesDiscarded: this.#slow.discardedBytes,
      framesTooLarge: this.#framesTooLarge,
      acceptPauses: own.acceptPauses,
      refused: own.refused,
      limits: {
        ...own.limits,
        ...this.#addresses.counts(),
        ...this.#controlFrames.limits(),
        ...this.#slow.limits(),
      },
      closed: this.#closes.counts(),
      faults: this.#options.faults.counts(),
      ...(this.#drain === undefined ? {} : { drain: this.#drain.progress }),
    };
  }

  /** Records that something arrived from the client. */
  #seen(connection: C): void {
    connection.lastSeenAt = Date.now();
    connection.heardAt = this.#liveness.now;
  }

  #refuseFrame(connection: C): void {
    this.#countTooLarge();
    const { meaning, retryable } = ERROR_CODES["frame-too-large"];
    connection.send(encodeServerFrame({ type: "error", code: "frame-too-large", message: meaning, retryable }));
    connection.close("protocol-error", "frame-too-large");
  }

  #countTooLarge(): void {
    this.#framesTooLarge += 1;
    this.#options.faults.count("frame-too-large");
  }

  /** Calls the handler. An error that it throws closes this connection and does not affect others. */
  #guarded(connection: C, call: () => void): void {
    try {
      // The return type is `void`, which also accepts async functions.
      const outcome: unknown = call();
      if (outcome instanceof Promise) outcome.catch((cause: unknown) => this.#failed(connection, cause));
    } catch (cause) {
      this.#failed(connection, cause);
    }
  }

  #failed(connection: C, cause: unknown): void {
    this.#options.onError(toCmError(cause, "internal", "A connection handler failed."), { stage: "handler" });
    connection.close("internal");
  }
}
