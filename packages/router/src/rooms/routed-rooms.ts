import type { EnteredRoom, EnvelopeRoute, HistoryPosition, Published } from "@cm/protocol";
import type { BusReceiver } from "../bus-receiver.js";
import type { ResumedChannel } from "../gaps/gap-detection.js";
import type { GapReporter } from "../gaps/gap-reporter.js";
import type { ResolvedRouterOptions } from "../options.js";
import type { Sequencers } from "../ordering/sequencer.js";
import { NOBODY, requireExcept, requireFrame, requireStampable } from "../payload-checks.js";
import { notRecoverable, RecoverableRooms } from "../recovery/recoverable-rooms.js";
import type { Recovery, RecoveryLimit } from "../recovery/room-recovery.js";
import { LocalPublishing } from "./local-publishing.js";
import type { LocalReach } from "./room-policy.js";
import type { RoomSequencer } from "./room-sequencers.js";
import { RoomSubscriptions, type SubscribedRoom } from "./room-subscriptions.js";

/** Options of {@link RoutedRooms}. */
export interface RoutedRoomsOptions
  extends Pick<
    ResolvedRouterOptions,
    | "serverId"
    | "bus"
    | "local"
    | "releaseDelayMs"
    | "maxIdleSubscriptions"
    | "maxSequencers"
    | "orderOf"
    | "isRecoverable"
    | "onError"
  > {
  readonly sequencers: Sequencers<RoomSequencer>;
  readonly receiver: BusReceiver;
  readonly gaps: GapReporter;
  /** Called when a room's channel is resumed after an interruption; see `ResumeHandler`. */
  readonly onResumed: (room: SubscribedRoom, sinceMs: number) => void;
}

/** Publishing, entering and recovery of rooms, wired to the receiver that delivers. */
export class RoutedRooms {
  readonly #options: RoutedRoomsOptions;
  readonly #rooms: RoomSubscriptions;
  /** Set if the store's bus has a history. */
  readonly #recoverable: RecoverableRooms | undefined;
  readonly #localPublishing: LocalPublishing;

  constructor(options: RoutedRoomsOptions) {
    this.#options = options;
    const { serverId, bus, local, maxSequencers, orderOf, isRecoverable, receiver, gaps, onError } = options;
    this.#rooms = new RoomSubscriptions({
      bus,
      releaseDelayMs: options.releaseDelayMs,
      maxIdle: options.maxIdleSubscriptions,
      hearsItself: (room) => orderOf(room) === "room",
      orderedRoomOf: (room) => (isRecoverable(room) ? this.#recoverable?.createOrderedRoom(room) : undefined),
      onMessage: (room, message) => receiver.onRoomMessage(room, message),
      onResumed: options.onResumed,
      onCloseFailed: (error) => onError(error, { stage: "subscription" }),
    });
    const rooms = this.#rooms;
    const { history } = bus;
    this.#recoverable =
      history && new RecoverableRooms({ serverId, history, local, rooms, receiver, gaps, maxPositions: maxSequencers });
    this.#localPublishing = new LocalPublishing({
      serverId,
      bus,
      local,
      roomOf: (room) => rooms.occupied(room),
      onGap: (room, missed) => gaps.missed(room, serverId, missed),
    });
  }

  /** Number of rooms with local members. */
  get roomCount(): number {
    return this.#rooms.roomCount;
  }

  /** Number of channels that stay subscribed only until their release delay ends. */
  get idleCount(): number {
    return this.#rooms.idleCount;
  }

  enter(room: string): Promise<EnteredRoom> {
    return this.#rooms.enter(room);
  }

  exit(room: string): void {
    this.#rooms.exit(room);
  }

  /**
   * See `Router.toRoom`. Throws, instead of rejecting, if an argument is invalid: it is not an async function, which
   * would create one more promise for each message.
   */
  publish(room: string, frame: Uint8Array | string, except: readonly string[]): Promise<Published | LocalReach> {
    requireFrame(frame);
    if (except !== NOBODY) requireExcept(except);
    const { serverId, bus, sequencers } = this.#options;
    const sequencer = sequencers.of(room);
    const { isRecoverable } = sequencer.policy;
    const route: EnvelopeRoute | undefined =
      except.length === 0
        ? undefined
        : { kind: "room", origin: serverId, target: room, except, isStamped: isRecoverable };
    if (isRecoverable && this.#recoverable !== undefined) {
      requireStampable(frame);
      return this.#recoverable.append(room, sequencer.draft(frame, serverId, route));
    }
    const message = sequencer.message(frame, route);
    if (sequencer.isPlain) return bus.publish(sequencer.channel, message);
    return this.#localPublishing.publish(sequencer, message, frame, except);
  }

  /** See `Router.positionOf`. */
  positionOf(room: string): HistoryPosition | undefined {
    return this.#rooms.occupied(room)?.ordered?.position;
  }

  /** See `Router.recover`. Rejects if there is no history. */
  async recover(
    room: string,
    from: HistoryPosition,
    limit: RecoveryLimit,
    take: (recovery: Recovery) => void,
    isWanted: () => boolean,
  ): Promise<void> {
    if (this.#recoverable === undefined) throw notRecoverable();
    await this.#recoverable.recover(room, from, limit, take, isWanted);
  }

  /** Whether a channel has stayed subscribed. This server's own channel always has. */
  isOpen(channel: ResumedChannel): boolean {
    return channel.name === undefined || this.#rooms.get(channel.name) === channel;
  }

  /** Stops the reads of histories at once, and closes all subscriptions. */
  async close(): Promise<void> {
    this.#recoverable?.close();
    await this.#rooms.close();
  }
}
