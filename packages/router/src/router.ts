import { isUtf8 } from "node:buffer";
import {
  type Channel,
  CmError,
  type CrossServerMessage,
  decodeEnvelope,
  type EnvelopePosition,
  type EnvelopeRoute,
  ownerOf,
  type RoomInterest,
  readEnvelopePosition,
  requireConnectionId,
  requireName,
  requireServerId,
  type Subscription,
} from "@cm/protocol";
import { Arrivals, type Inbound } from "./arrivals.js";
import { Numberings, Outbound } from "./numbering.js";
import { type ResolvedRouterOptions, type RouterOptions, resolveRouterOptions } from "./options.js";
import { RoomSubscriptions, type SubscribedRoom } from "./room-subscriptions.js";

/**
 * How far a direct message came.
 *
 * - `delivered`: a socket of this server took it
 * - `sent`: the owning server was reached through the bus
 * - `not-found`: nobody is there to take it
 */
export type RouteOutcome = "delivered" | "sent" | "not-found";

/** What a router has counted since it was made, and what it holds now. */
export interface RouterStats {
  /** Rooms with local members. */
  readonly rooms: number;
  /** Channels kept open for a while after their last local member left. */
  readonly idleSubscriptions: number;
  /** Messages that came over the bus and were handed on. */
  readonly received: number;
  /** Holes noticed. */
  readonly gaps: number;
  /** Messages in those holes. */
  readonly missed: number;
  /** How often a channel was live again after an interruption, each channel counted. */
  readonly interruptions: number;
  /** Messages dropped because they had arrived already. */
  readonly duplicates: number;
  /** Messages dropped because they were no messages of this bus, or on the wrong channel. */
  readonly damaged: number;
  /** Messages dropped because their version is not spoken here. */
  readonly unknownVersion: number;
}

/** Messages to rooms, connections, users and servers, wherever they are. */
export interface Router extends RoomInterest {
  /** Opens this server's direct channel. Fails with `unavailable`. */
  start(): Promise<void>;
  /**
   * Publishes a frame to a room. Every copy, the local ones too, comes back from the
   * bus, which gives the room one order on all servers. Resolves when the bus took it,
   * with the number of servers that listen where the bus knows it, else -1; fails with
   * `unavailable`, `timeout`, `name-invalid`, `name-too-long` or `id-invalid`.
   */
  toRoom(room: string, frame: Uint8Array | string, except?: readonly string[]): Promise<number>;
  /** Sends a frame to one connection; a local one without the bus. Fails as {@link toRoom}. */
  toConnection(connectionId: string, frame: Uint8Array): Promise<RouteOutcome>;
  /** Sends a frame to all connections of a user. Fails as {@link toRoom}. */
  toUser(userId: string, frame: Uint8Array): Promise<RouteOutcome>;
  /** Sends bytes to the application on one server. Fails as {@link toRoom}. */
  toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome>;
  stats(): RouterStats;
  /** Lets all channels go. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Makes a router. Throws `options-invalid` or `id-invalid`; touches nothing until `start`. */
export function createRouter(options: RouterOptions): Router {
  return new BusRouter(resolveRouterOptions(options));
}

const NOBODY: readonly string[] = Object.freeze([]);

class BusRouter implements Router {
  readonly #options: ResolvedRouterOptions;
  readonly #rooms: RoomSubscriptions;
  readonly #outboundRooms: Numberings<Channel>;
  readonly #outboundServers: Numberings<Channel>;
  readonly #direct = new Arrivals();
  readonly #counts = {
    received: 0,
    gaps: 0,
    missed: 0,
    interruptions: 0,
    duplicates: 0,
    damaged: 0,
    unknownVersion: 0,
  };
  #directSubscription: Promise<Subscription> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRouterOptions) {
    this.#options = options;
    const { serverId: origin, maxNumberings } = options;
    this.#outboundRooms = new Numberings(maxNumberings, (name) => {
      requireName(name, "room");
      return new Outbound({ kind: "room", name }, { kind: "room", origin, target: name, except: NOBODY });
    });
    this.#outboundServers = new Numberings(maxNumberings, (name) => new Outbound({ kind: "server", name }, undefined));
    this.#rooms = new RoomSubscriptions({
      bus: options.bus,
      releaseDelayMs: options.releaseDelayMs,
      maxIdle: options.maxIdleSubscriptions,
      onMessage: (room, message) => this.#onRoomMessage(room, message),
      onResumed: (room) => this.#onResumed(room.name),
      onCloseFailed: (error) => options.onError(error, { stage: "subscription" }),
    });
  }

  async start(): Promise<void> {
    this.#requireOpen();
    const { bus, serverId } = this.#options;
    this.#directSubscription ??= bus.subscribe(
      { kind: "server", name: serverId },
      (message) => this.#onDirectMessage(message),
      () => this.#onResumed(undefined),
    );
    try {
      await this.#directSubscription;
    } catch (error) {
      this.#directSubscription = undefined;
      throw error;
    }
  }

  enter(room: string): Promise<void> {
    return this.#rooms.enter(room);
  }

  exit(room: string): void {
    this.#rooms.exit(room);
  }

  toRoom(room: string, frame: Uint8Array | string, except: readonly string[] = NOBODY): Promise<number> {
    // No async function: this is called for every message.
    try {
      this.#requireOpen();
      const outbound = this.#outboundRooms.of(room);
      const route: EnvelopeRoute | undefined =
        except.length === 0 ? undefined : { kind: "room", origin: this.#options.serverId, target: room, except };
      return this.#options.bus.publish(outbound.channel, outbound.message(frame, route));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async toConnection(connectionId: string, frame: Uint8Array): Promise<RouteOutcome> {
    this.#requireOpen();
    const { serverId } = requireConnectionId(connectionId);
    if (serverId === this.#options.serverId) {
      return this.#options.local.toConnection(connectionId, frame) ? "delivered" : "not-found";
    }
    return this.#toOwner(serverId, "connection", connectionId, frame);
  }

  async toUser(userId: string, frame: Uint8Array): Promise<RouteOutcome> {
    this.#requireOpen();
    requireName(userId, "user");
    const owners = new Set<string>();
    for (const connectionId of await this.#options.users.connectionsOf(userId)) {
      const owner = ownerOf(connectionId);
      if (owner !== undefined) owners.add(owner);
    }
    let outcome: RouteOutcome = "not-found";
    if (owners.delete(this.#options.serverId) && this.#options.local.toUser(userId, frame) > 0) outcome = "delivered";
    const sent = await Promise.all([...owners].map((owner) => this.#toOwner(owner, "user", userId, frame)));
    return outcome === "not-found" && sent.includes("sent") ? "sent" : outcome;
  }

  async toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome> {
    this.#requireOpen();
    requireServerId(serverId);
    if (serverId === this.#options.serverId) {
      this.#options.onServerMessage({ origin: serverId, payload });
      return "delivered";
    }
    return this.#toOwner(serverId, "server", serverId, payload);
  }

  stats(): RouterStats {
    return { rooms: this.#rooms.roomCount, idleSubscriptions: this.#rooms.idleCount, ...this.#counts };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#rooms.close();
    try {
      await (await this.#directSubscription)?.close();
    } catch (cause) {
      const error = new CmError("unavailable", "The server's channel could not be let go.", { cause });
      this.#options.onError(error, { stage: "subscription" });
    }
  }

  async #toOwner(
    serverId: string,
    kind: "connection" | "user" | "server",
    target: string,
    payload: Uint8Array,
  ): Promise<RouteOutcome> {
    const outbound = this.#outboundServers.of(serverId);
    const route: EnvelopeRoute = { kind, origin: this.#options.serverId, target, except: NOBODY };
    const reached = await this.#options.bus.publish(outbound.channel, outbound.message(payload, route));
    return reached === 0 ? "not-found" : "sent";
  }

  #onRoomMessage(room: SubscribedRoom, bytes: Uint8Array): void {
    const inbound = room.arrivals.recognise(bytes);
    if (inbound?.header !== undefined) {
      const payload = bytes.subarray(inbound.header.bytes);
      this.#deliverToRoom(room, inbound, readEnvelopePosition(bytes), payload, NOBODY);
      return;
    }
    const message = this.#decode(bytes);
    if (message === undefined) return;
    if (message.kind !== "room" || message.target !== room.name) this.#counts.damaged++;
    else this.#deliverToRoom(room, room.arrivals.of(message), message, message.payload, message.except);
  }

  #deliverToRoom(
    room: SubscribedRoom,
    inbound: Inbound,
    position: EnvelopePosition,
    payload: Uint8Array,
    except: readonly string[],
  ): void {
    // A text frame that is not UTF-8 makes a browser give up its connection.
    if (!isUtf8(payload)) this.#counts.damaged++;
    else if (this.#isFresh(inbound, position, room.name)) this.#options.local.toRoom(room.name, payload, except);
  }

  #onDirectMessage(bytes: Uint8Array): void {
    const message = this.#decode(bytes);
    if (message === undefined) return;
    const deliver = this.#directDelivery(message);
    if (deliver === undefined) {
      this.#counts.damaged++;
    } else if (this.#isFresh(this.#direct.of(message), message, undefined)) {
      deliver();
    }
  }

  /** How a message on this server's own channel is handed on; `undefined` where it does not belong there. */
  #directDelivery(message: CrossServerMessage): (() => void) | undefined {
    const { kind, target, payload } = message;
    const { local, serverId, onServerMessage } = this.#options;
    if (kind === "server") return target === serverId ? () => onServerMessage(message) : undefined;
    if (!isUtf8(payload)) return undefined;
    if (kind === "connection") return () => local.toConnection(target, payload);
    if (kind === "user") return () => local.toUser(target, payload);
    return undefined;
  }

  #decode(bytes: Uint8Array): CrossServerMessage | undefined {
    const decoded = decodeEnvelope(bytes);
    if (decoded.ok) return decoded.value;
    if (decoded.error.code === "envelope-version") this.#counts.unknownVersion++;
    else this.#counts.damaged++;
    return undefined;
  }

  #isFresh(inbound: Inbound, position: EnvelopePosition, room: string | undefined): boolean {
    const arrival = inbound.judge(position);
    if (arrival.kind === "duplicate") {
      this.#counts.duplicates++;
      return false;
    }
    if (arrival.kind === "after-gap") this.#onGap(room, inbound.origin, arrival.missed);
    this.#counts.received++;
    return true;
  }

  #onGap(room: string | undefined, origin: string, missed: number): void {
    this.#counts.gaps++;
    this.#counts.missed += missed;
    this.#options.onGap({ room, known: { origin, missed } });
  }

  /** What was published during an interruption shows in the numbers only when more is published. */
  #onResumed(room: string | undefined): void {
    this.#counts.interruptions++;
    this.#options.onGap({ room, known: undefined });
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new CmError("closed", "The router is closed.");
  }
}
