import { CmError, encodeServerFrame, encodeUtf8 } from "@cm/protocol";
import { AddressLimits } from "./admission/address-limits.js";
import { UpgradeAdmission } from "./admission/upgrade-admission.js";
import type { BaseConnection } from "./connections/base-connection.js";
import { ConnectionTable } from "./connections/connection-table.js";
import { type DrainOptions, requireDrainOptions } from "./connections/drain.js";
import type { SlowConsumers } from "./connections/slow-consumers.js";
import type { TransportConnection } from "./connections/transport-connection.js";
import { RouteDispatcher } from "./http/route-dispatcher.js";
import type { AcceptPause } from "./listening/accept-pause.js";
import { openFilesWarning } from "./listening/open-files-warning.js";
import { requireFrameBytes } from "./options/option-checks.js";
import type { ResolvedTransportOptions } from "./options/resolved-options.js";
import type { RoomFrame } from "./rooms/lane.js";
import { MembersBehind } from "./rooms/members-behind.js";
import { RoomFanOut } from "./rooms/room-fan-out.js";
import type { ListeningAddress, TransportServer, TransportStats } from "./transport-server.js";

/**
 * The lifecycle of a server, whatever library it uses: one start, one drain, one close, and access to its
 * connections. Each transport implements how to listen, how to close sockets, and how to send to a room.
 */
export abstract class BaseTransport<U, C extends BaseConnection<U>> implements TransportServer<U> {
  protected readonly connections: ConnectionTable<U, C>;
  protected readonly admissions: UpgradeAdmission<U>;
  protected readonly routes: RouteDispatcher;
  protected readonly fanOut: RoomFanOut;
  /** Set if the transport listens by itself. */
  protected acceptPause: AcceptPause | undefined;
  readonly #options: ResolvedTransportOptions<U>;
  readonly #behind: MembersBehind | undefined;
  #isAccepting = true;
  #isStarted = false;
  #starting: Promise<ListeningAddress> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** `byId` must be empty, and is modified only by this server from now on. */
  protected constructor(options: ResolvedTransportOptions<U>, slow: SlowConsumers, byId?: Map<string, C>) {
    this.#options = options;
    const addresses = new AddressLimits(options);
    this.connections = new ConnectionTable(options, slow, addresses, byId);
    this.admissions = new UpgradeAdmission(options, this.connections.byId, addresses);
    this.routes = new RouteDispatcher(options.routes, options.onError);
    this.fanOut = new RoomFanOut({
      roomWindowMs: options.roomWindowMs,
      roomWindows: options.roomWindows,
      maxMembersPerTurn: options.maxMembersPerTurn,
      maxHeldBytes: (room) => this.#maxHeldBytes(room),
      sockets: {
        members: (room, lane) => this.membersIn(room, lane),
        publish: (room, lane, frames) => this.publish(room, lane, frames),
      },
    });
    const { slowReaders, onError } = options;
    this.#behind =
      slowReaders && new MembersBehind({ ...slowReaders, isSending: () => this.fanOut.isSending, onError });
    slow.behind = this.#behind;
  }

  /** Number of members in a lane of a room. */
  protected abstract membersIn(room: string, lane: number): number;
  /** Sends frames to the members of a lane, in order. */
  protected abstract publish(room: string, lane: number, frames: readonly RoomFrame[]): void;
  /**
   * Listens, or attaches the transport to another server. An implementation that fails must undo what it had
   * begun.
   */
  protected abstract listen(): Promise<ListeningAddress>;
  /** Stops listening; open connections stay open. May be called before `listen`, and more than once. */
  protected abstract stopListening(): void;
  /** Cuts the connections that are left after the close frames have been sent. */
  protected abstract release(): void;
  /** The counters of rooms and memberships. */
  protected abstract roomStats(): Pick<TransportStats, "topics" | "memberships">;
  /** Called when a drain has begun. Other processes that listen on the same port may take the new connections. */
  protected onDrain(): void {}

  start(): Promise<ListeningAddress> {
    if (this.#closing !== undefined) return Promise.reject(serverClosed());
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<ListeningAddress> {
    if (!this.#isAccepting) throw new CmError("closed", "stopAccepting() was called before start().");
    const { maxConnections, onError } = this.#options;
    const warning = await openFilesWarning(maxConnections);
    if (warning !== undefined) onError(warning, { stage: "listening" });
    const address = await this.listen();
    this.connections.start();
    // `stopAccepting` was called during the start, when nothing was listening yet.
    if (!this.#isAccepting) this.stopListening();
    this.#isStarted = true;
    return address;
  }

  #maxHeldBytes(room: string): number {
    const { slowReaders, maxBackpressureBytes } = this.#options;
    if (slowReaders === undefined || !this.#behind?.has(room)) return maxBackpressureBytes;
    // A member may have almost `slowReaders.maxBytes` queued when the members are checked. What it is sent until the
    // next check, and what is held back for it then, must not exceed `maxBackpressureBytes`.
    return (maxBackpressureBytes - slowReaders.maxBytes) / 4;
  }

  membersOf(room: string): number {
    return this.#reading(room) + (this.#behind?.behindIn(room) ?? 0);
  }

  /** Number of members of a room that get its messages, which excludes those that are behind. */
  #reading(room: string): number {
    let members = 0;
    for (let lane = 0; lane < this.fanOut.lanesOf(room); lane++) members += this.membersIn(room, lane);
    return members;
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    requireFrameBytes(frame);
    this.#behind?.sending(room, frame, except);
    this.fanOut.toRoom(room, frame, except);
  }

  notifyGap(room: string, missed: number | undefined): void {
    this.#behind?.lost(room, missed);
    const frame = encodeServerFrame({ type: "gap", room, ...(missed === undefined ? {} : { missed }) });
    this.fanOut.toRoom(room, encodeUtf8(frame), []);
  }

  toConnection(connectionId: string, frame: Uint8Array): boolean {
    requireFrameBytes(frame);
    return this.connections.toConnection(connectionId, frame);
  }

  toUser(userId: string, frame: Uint8Array): number {
    requireFrameBytes(frame);
    return this.connections.toUser(userId, frame);
  }

  connection(id: string): TransportConnection<U> | undefined {
    return this.connections.byId.get(id);
  }

  connectionsOf(userId: string): TransportConnection<U>[] {
    return this.connections.of(userId);
  }

  countOf(userId: string): number {
    return this.connections.countOf(userId);
  }

  stats(): TransportStats {
    const { pending: upgrading } = this.admissions;
    const { topics, memberships } = this.roomStats();
    const behind = this.#behind;
    const membersBehind = behind?.membersBehind ?? 0;
    return this.connections.stats({
      upgrading,
      acceptPauses: this.acceptPause?.count ?? 0,
      refused: this.admissions.refused(),
      limits: this.admissions.limits(),
      topics: topics + (behind?.roomsWithoutOthers((room) => this.#reading(room)) ?? 0),
      memberships: memberships + membersBehind,
      membersBehind,
      bytesHeldBack: this.fanOut.heldBytes,
      messagesLeftOut: behind?.skipped() ?? { drop: 0, latest: 0 },
    });
  }

  stopAccepting(): void {
    this.#refuseNewcomers();
    this.stopListening();
  }

  drain(options: DrainOptions): Promise<void> {
    if (!this.#isStarted && this.#closing === undefined) {
      requireDrainOptions(options);
      return Promise.reject(drainedTooEarly());
    }
    this.#draining ??= this.connections.drain(options, () => {
      this.#refuseNewcomers();
      this.admissions.refusePending();
      this.onDrain();
    });
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.stopAccepting();
    this.connections.endDrain();
    // Ignore the error of a failed start: `start` has undone what it had begun, and has rejected with the error.
    await Promise.allSettled([this.#starting]);
    this.admissions.refusePending();
    await this.connections.goodbye();
    this.fanOut.stop();
    this.#behind?.stop();
    this.release();
    this.connections.stop();
  }

  #refuseNewcomers(): void {
    this.#isAccepting = false;
    this.admissions.stopAccepting();
  }
}

/** The same error as that of a node, for a call that changes nothing. */
function drainedTooEarly(): CmError {
  return new CmError("unavailable", "server.drain() was called before start() had resolved; await start() first.", {
    details: { call: "server.drain" },
  });
}

function serverClosed(): CmError {
  return new CmError("closed", "The server was closed.");
}
