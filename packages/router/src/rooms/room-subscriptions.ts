import {
  type Bus,
  type CmError,
  type EnteredRoom,
  type HistoryPosition,
  type RoomInterest,
  requireName,
  type Subscription,
  toCmError,
} from "@cm/protocol";
import type { ResumedChannel } from "../gaps/gap-detection.js";
import { ChannelTracker } from "../ordering/sequence-tracker.js";
import type { OrderedRoom } from "../recovery/ordered-room.js";
import { routerClosed } from "../router-closed.js";

/** A room whose channel this server is subscribed to, or is subscribing to. */
export interface SubscribedRoom extends ResumedChannel {
  readonly name: string;
  /** Delivers the room's messages if the room is recoverable. */
  readonly ordered: OrderedRoom | undefined;
}

class Entry implements SubscribedRoom, EnteredRoom {
  readonly name: string;
  /** Created with the first message, because most of many rooms are quiet. */
  #trackers: ChannelTracker | undefined;
  readonly hearsItself: boolean;
  readonly ordered: OrderedRoom | undefined;
  liveSinceMs = Number.POSITIVE_INFINITY;
  /** Number of calls of `enter` without their `exit`, including those in progress. Not the number of members. */
  interests = 0;
  /** Settles when the channel is subscribed and the room's history is read, or when that failed; then `undefined`. */
  opening: Promise<void> | undefined;
  /** Set once the channel is subscribed. */
  subscription: Subscription | undefined;

  constructor(name: string, hearsItself: boolean, ordered: OrderedRoom | undefined) {
    this.name = name;
    this.hearsItself = hearsItself;
    this.ordered = ordered;
  }

  get trackers(): ChannelTracker {
    this.#trackers ??= new ChannelTracker();
    return this.#trackers;
  }

  get position(): HistoryPosition | undefined {
    return this.ordered?.position;
  }
}

/** Options of {@link RoomSubscriptions}. */
export interface RoomSubscriptionsOptions {
  readonly bus: Bus;
  readonly releaseDelayMs: number;
  readonly maxIdle: number;
  /** Whether members on this server receive this server's own messages from the bus. */
  readonly hearsItself: (room: string) => boolean;
  /** Creates the ordered delivery of a room's messages; `undefined` if the room is not recoverable. */
  readonly orderedRoomOf: (room: string) => OrderedRoom | undefined;
  readonly onMessage: (room: SubscribedRoom, message: Uint8Array) => void;
  /** Called when the room's channel is resumed after an interruption; see `ResumeHandler`. */
  readonly onResumed: (room: SubscribedRoom, sinceMs: number) => void;
  readonly onCloseFailed: (error: CmError) => void;
}

/**
 * The room channels that this server is subscribed to. A channel is subscribed with the first `enter`, before it
 * resolves. The channel is unsubscribed some time after the last `exit`, so that leaving and joining again does not
 * need a new subscription each time. Who is in a room is unknown here: the membership enters a room once for all its
 * members.
 */
export class RoomSubscriptions implements RoomInterest {
  readonly #rooms = new Map<string, Entry>();
  /** Subscribed rooms that were exited, the longest idle first, each with the timer of its release. */
  readonly #idle = new Map<Entry, NodeJS.Timeout>();
  readonly #options: RoomSubscriptionsOptions;
  #closed = false;

  constructor(options: RoomSubscriptionsOptions) {
    this.#options = options;
  }

  /** Returns the room if its channel is subscribed or being subscribed. */
  get(room: string): SubscribedRoom | undefined {
    return this.#rooms.get(room);
  }

  /** Returns the room if it was entered on this server. */
  occupied(room: string): SubscribedRoom | undefined {
    const entry = this.#rooms.get(room);
    return entry !== undefined && entry.interests > 0 ? entry : undefined;
  }

  /** The ordered delivery of each recoverable room whose channel is subscribed or being subscribed. */
  *orderedRooms(): Iterable<OrderedRoom> {
    for (const { ordered } of this.#rooms.values()) if (ordered !== undefined) yield ordered;
  }

  /** The names of recoverable rooms that are entered. */
  *recoverable(): Iterable<string> {
    for (const { name, ordered, interests } of this.#rooms.values()) {
      if (ordered !== undefined && interests > 0) yield name;
    }
  }

  /** Number of rooms that are entered. */
  get roomCount(): number {
    return this.#rooms.size - this.#idle.size;
  }

  /** Number of channels that stay subscribed only until their release delay ends. */
  get idleCount(): number {
    return this.#idle.size;
  }

  async enter(room: string): Promise<EnteredRoom> {
    if (this.#closed) throw routerClosed();
    requireName(room, "room");
    let entry = this.#rooms.get(room);
    if (entry === undefined) {
      entry = this.#open(room);
    } else {
      this.#keep(entry);
    }
    entry.interests++;
    // If subscribing fails, the entry is removed together with its count.
    await entry.opening;
    return entry;
  }

  exit(room: string): void {
    const entry = this.#rooms.get(room);
    if (entry === undefined || entry.interests === 0) return;
    entry.interests--;
    if (entry.interests === 0 && entry.subscription !== undefined) this.#linger(entry);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const entries = [...this.#rooms.values()];
    await Promise.all(
      entries.map(async (entry) => {
        await entry.opening?.catch(() => undefined); // The callers of `enter` get this error.
        this.#unsubscribe(entry);
      }),
    );
  }

  #open(room: string): Entry {
    const entry = new Entry(room, this.#options.hearsItself(room), this.#options.orderedRoomOf(room));
    this.#rooms.set(room, entry);
    entry.opening = this.#subscribe(entry);
    return entry;
  }

  async #subscribe(entry: Entry): Promise<void> {
    let subscription: Subscription | undefined;
    try {
      const { bus, onMessage, onResumed } = this.#options;
      // Two bound functions take half the memory of two closures and their context.
      subscription = await bus.subscribe(
        { kind: "room", name: entry.name },
        onMessage.bind(undefined, entry),
        onResumed.bind(undefined, entry),
      );
      entry.liveSinceMs = performance.now();
      // Read the history after subscribing, so that every later message is received on the channel.
      await entry.ordered?.open();
      entry.subscription = subscription;
      entry.opening = undefined;
    } catch (cause) {
      if (subscription !== undefined) entry.subscription = subscription;
      this.#unsubscribe(entry);
      throw toCmError(cause, "unavailable", "The room's channel could not be opened.");
    }
    // The room may have been exited while the channel was being opened.
    if (entry.interests === 0) this.#linger(entry);
  }

  #keep(entry: Entry): void {
    clearTimeout(this.#idle.get(entry));
    this.#idle.delete(entry);
  }

  #linger(entry: Entry): void {
    if (this.#closed || this.#options.maxIdle === 0) {
      this.#unsubscribe(entry);
      return;
    }
    this.#idle.set(entry, setTimeout(() => this.#unsubscribe(entry), this.#options.releaseDelayMs).unref());
    if (this.#idle.size > this.#options.maxIdle) {
      const [oldest] = this.#idle.keys();
      if (oldest !== undefined) this.#unsubscribe(oldest);
    }
  }

  #unsubscribe(entry: Entry): void {
    this.#keep(entry);
    if (this.#rooms.get(entry.name) === entry) this.#rooms.delete(entry.name);
    entry.ordered?.close();
    entry.subscription?.close().catch((cause: unknown) => {
      this.#options.onCloseFailed(toCmError(cause, "unavailable", "A room's channel could not be unsubscribed."));
    });
  }
}
