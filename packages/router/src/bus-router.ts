import {
  CmError,
  connectionIdsOf,
  type EnteredRoom,
  type HistoryPosition,
  ownerOf,
  type Published,
  requireConnectionId,
  requireName,
  requireServerId,
  type Subscription,
} from "@cm/protocol";
import { callGuarded, notStarted, stampVersion } from "@cm/protocol/options";
import { BusReceiver } from "./bus-receiver.js";
import type { ResumedChannel } from "./gaps/gap-detection.js";
import { GapReporter } from "./gaps/gap-reporter.js";
import { Interruptions } from "./gaps/interruptions.js";
import {
  type ResolvedRouterOptions,
  type RouterOptions,
  requireAnswerTime,
  requireConfirmation,
  requireRecovery,
  resolveRouterOptions,
} from "./options.js";
import { frameBytes, NOBODY, requirePayload } from "./payload-checks.js";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import { AbsenceCheck } from "./requests/absence-check.js";
import { type ControlOutcome, type ControlRequest, controlOf, outcomeOf } from "./requests/control-requests.js";
import { within } from "./requests/promise-timeout.js";
import type { GatheredAnswers } from "./requests/scatter-gather.js";
import { ServerRequests } from "./requests/server-requests.js";
import type { LocalReach } from "./rooms/room-policy.js";
import { createRoomSequencers } from "./rooms/room-sequencers.js";
import { RoutedRooms } from "./rooms/routed-rooms.js";
import type { AnswerTime, Confirmation, ConfirmedOutcome, RouteOutcome, Router } from "./router.js";
import { routerClosed } from "./router-closed.js";
import type { RouterStats } from "./router-stats.js";

/** Creates a router. Throws `options-invalid`. Does not use the store before `start`. */
export function createRouter(options: RouterOptions): Router {
  return stampVersion(new BusRouter(resolveRouterOptions(options)));
}

class BusRouter implements Router {
  readonly #options: ResolvedRouterOptions;
  readonly #gaps: GapReporter;
  readonly #requests: ServerRequests;
  readonly #receiver: BusReceiver;
  readonly #rooms: RoutedRooms;
  readonly #interruptions: Interruptions;
  readonly #absenceCheck: AbsenceCheck;
  #directSubscription: Promise<Subscription> | undefined;
  /** This server's own channel, once it is subscribed. */
  #directChannel: ResumedChannel | undefined;
  #isStarted = false;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRouterOptions) {
    this.#options = options;
    const gaps = new GapReporter(options.onGap);
    const sequencers = createRoomSequencers(options);
    const roomPosition = (room: string) => sequencers.position(room);
    const requests = new ServerRequests({ ...options, roomPosition });
    const { publisher, incoming, pending } = requests;
    const receiver = new BusReceiver({ ...options, requests: incoming, pending, gaps });
    const rooms = new RoutedRooms({
      ...options,
      sequencers,
      receiver,
      gaps,
      onResumed: (room, sinceMs) => this.#interruptions.resumed(room, sinceMs),
    });
    this.#gaps = gaps;
    this.#requests = requests;
    this.#receiver = receiver;
    this.#rooms = rooms;
    this.#interruptions = new Interruptions({ ...options, publisher, rooms, gaps, roomPosition });
    this.#absenceCheck = new AbsenceCheck(options);
  }

  async start(): Promise<void> {
    if (this.#closing !== undefined) throw routerClosed();
    const { bus, serverId } = this.#options;
    this.#directSubscription ??= bus.subscribe(
      { kind: "server", name: serverId },
      (message) => this.#receiver.onDirectMessage(message),
      (sinceMs) => {
        if (this.#directChannel !== undefined) this.#interruptions.resumed(this.#directChannel, sinceMs);
      },
    );
    try {
      await this.#directSubscription;
    } catch (error) {
      this.#directSubscription = undefined;
      throw error;
    }
    const liveSinceMs = performance.now();
    this.#directChannel ??= { name: undefined, trackers: this.#receiver.direct, liveSinceMs, hearsItself: false };
    this.#isStarted = true;
  }

  enter(room: string): Promise<EnteredRoom> {
    if (!this.#isStarted && this.#closing === undefined) return Promise.reject(notStarted("router.enter"));
    return this.#rooms.enter(room);
  }

  exit(room: string): void {
    this.#rooms.exit(room);
  }

  toRoom(
    room: string,
    frame: Uint8Array | string,
    except: readonly string[] = NOBODY,
  ): Promise<Published | LocalReach> {
    // Not an async function, which would create one more promise for each message.
    try {
      this.#requireOpen("toRoom");
      return this.#rooms.publish(room, frame, except);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  toConnection(connectionId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  toConnection(connectionId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toConnection(
    connectionId: string,
    frameOrText: Uint8Array | string,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen("toConnection");
    const frame = frameBytes(frameOrText);
    requireConfirmation(confirmation);
    const { serverId } = requireConnectionId(connectionId);
    if (serverId === this.#options.serverId) {
      return this.#options.local.toConnection(connectionId, frame) ? "delivered" : "not-found";
    }
    if (confirmation === undefined) return this.#toOwner(serverId, "connection", connectionId, frame);
    const { confirmMs } = confirmation;
    return this.#requests.confirm(serverId, { type: "deliver-connection", connectionId, frame }, confirmMs);
  }

  toUser(userId: string, frame: Uint8Array | string): Promise<RouteOutcome>;
  toUser(userId: string, frame: Uint8Array | string, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toUser(
    userId: string,
    frameOrText: Uint8Array | string,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen("toUser");
    const frame = frameBytes(frameOrText);
    requireConfirmation(confirmation);
    requireName(userId, "user");
    if (confirmation !== undefined) return this.#confirmToUser(userId, frame, confirmation);
    const owners = await this.#otherOwnersOf(userId);
    // Deliver to local sockets even if the registry has lost the user's connections.
    const isLocal = this.#reachesLocalUser(userId, frame);
    const sent = await Promise.all(owners.map((owner) => this.#toOwner(owner, "user", userId, frame)));
    if (isLocal) return "delivered";
    return sent.includes("sent") ? "sent" : this.#absenceCheck.confirm(userId, owners.length);
  }

  async #confirmToUser(userId: string, frame: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome> {
    const deadline = performance.now() + confirmation.confirmMs;
    const leftMs = () => Math.max(1, deadline - performance.now());
    const owners = await within(this.#otherOwnersOf(userId), leftMs(), () => undefined);
    if (owners === undefined) return "timeout";
    this.#requests.pending.requireCapacity(owners.length);
    const isLocal = this.#reachesLocalUser(userId, frame);
    const confirmMs = leftMs();
    const outcomes = await Promise.all(
      owners.map((owner) => this.#requests.confirm(owner, { type: "deliver-user", userId, frame }, confirmMs)),
    );
    if (isLocal || outcomes.includes("delivered")) return "delivered";
    if (outcomes.includes("timeout")) return "timeout";
    return within(this.#absenceCheck.confirm(userId, owners.length), leftMs(), () => "timeout" as const);
  }

  /** Delivers to the user's sockets on this server. An error is reported: other servers must still get the message. */
  #reachesLocalUser(userId: string, frame: Uint8Array): boolean {
    const { local, onError } = this.#options;
    return callGuarded("local.toUser", () => local.toUser(userId, frame) > 0, onError, false);
  }

  /** Looks up the other servers that hold connections of a user. */
  async #otherOwnersOf(userId: string): Promise<string[]> {
    const owners = new Set((await connectionIdsOf(this.#options.users, userId)).map(ownerOf));
    owners.delete(this.#options.serverId);
    return [...owners].filter((owner) => owner !== undefined);
  }

  toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome>;
  toServer(serverId: string, payload: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toServer(
    serverId: string,
    payload: Uint8Array,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen("toServer");
    requirePayload(payload);
    requireConfirmation(confirmation);
    requireServerId(serverId);
    if (serverId === this.#options.serverId) {
      this.#options.onServerMessage({ origin: serverId, payload });
      return "delivered";
    }
    if (confirmation === undefined) return this.#toOwner(serverId, "server", serverId, payload);
    return this.#requests.confirm(serverId, { type: "deliver-server", payload }, confirmation.confirmMs);
  }

  async control(target: string, request: ControlRequest, time: AnswerTime): Promise<ControlOutcome> {
    this.#requireOpen("control");
    const { serverId, operation } = controlOf(target, request);
    return outcomeOf(await this.#requests.send(serverId, operation, requireAnswerTime(time)), serverId);
  }

  async ask(question: Uint8Array, time: AnswerTime): Promise<GatheredAnswers> {
    this.#requireOpen("ask");
    requirePayload(question);
    return this.#requests.askCluster(question, requireAnswerTime(time));
  }

  serverLost(serverId: string): void {
    this.#requests.pending.lost(serverId);
  }

  positionOf(room: string): HistoryPosition | undefined {
    return this.#rooms.positionOf(room);
  }

  async recover(
    room: string,
    from: HistoryPosition,
    limit: RecoveryLimit,
    take: (recovery: Recovery) => void,
    isWanted: () => boolean = () => true,
  ): Promise<void> {
    this.#requireOpen("recover");
    requireRecovery(from, limit, take, isWanted);
    await this.#rooms.recover(room, from, limit, take, isWanted);
  }

  stats(): RouterStats {
    return {
      rooms: this.#rooms.roomCount,
      idleSubscriptions: this.#rooms.idleCount,
      pendingAnswers: this.#requests.pending.size,
      ...this.#receiver.counts,
      ...this.#gaps.counts,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#interruptions.close();
    this.#requests.close();
    await this.#rooms.close();
    try {
      await (await this.#directSubscription)?.close();
    } catch (cause) {
      const error = new CmError("unavailable", "The server's channel could not be unsubscribed.", { cause });
      this.#options.onError(error, { stage: "subscription" });
    }
  }

  async #toOwner(
    serverId: string,
    kind: "connection" | "user" | "server",
    target: string,
    payload: Uint8Array,
  ): Promise<RouteOutcome> {
    const { subscribers } = await this.#requests.publisher.send(serverId, kind, target, payload);
    return subscribers === 0 ? "not-found" : "sent";
  }

  #requireOpen(call: string): void {
    if (this.#closing !== undefined) throw routerClosed();
    if (!this.#isStarted) throw notStarted(`router.${call}`);
  }
}
