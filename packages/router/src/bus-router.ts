import {
  CmError,
  connectionIdsOf,
  type EnteredRoom,
  type EnvelopeRoute,
  type HistoryPosition,
  ownerOf,
  type Published,
  requireConnectionId,
  requireName,
  requireServerId,
  type ServerOperation,
  type Subscription,
  toCmError,
} from "@cm/protocol";
import { notStarted, stampVersion } from "@cm/protocol/options";
import { BusReceiver } from "./bus-receiver.js";
import {
  type ResolvedRouterOptions,
  type RouterOptions,
  requireAnswerTime,
  requireConfirmation,
  requireRecovery,
  resolveRouterOptions,
} from "./options.js";
import { Sequencers } from "./ordering/sequencer.js";
import { frameBytes, NOBODY, requireExcept, requireFrame, requirePayload } from "./payload-checks.js";
import { GapDetection, type ResumedChannel } from "./recovery/gap-detection.js";
import { GapReporter } from "./recovery/gap-reporter.js";
import { notRecoverable, RecoverableRooms } from "./recovery/recoverable-rooms.js";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import { AbsenceCheck } from "./requests/absence-check.js";
import { type ControlOutcome, type ControlRequest, controlOf, outcomeOf } from "./requests/control-requests.js";
import { IncomingRequests } from "./requests/incoming-requests.js";
import { createOperations } from "./requests/operation-handlers.js";
import type { Answer } from "./requests/pending-requests.js";
import { within } from "./requests/promise-timeout.js";
import { type GatheredAnswers, ScatterGather } from "./requests/scatter-gather.js";
import { ServerPublisher } from "./requests/server-publisher.js";
import { LocalEcho } from "./rooms/local-echo.js";
import { type LocalReach, RoomSequencer, requireStampable } from "./rooms/room-policy.js";
import { RoomSubscriptions, type SubscribedRoom } from "./rooms/room-subscriptions.js";
import type { AnswerTime, Confirmation, ConfirmedOutcome, RouteOutcome, Router } from "./router.js";
import { routerClosed } from "./router-closed.js";
import type { RouterStats } from "./router-stats.js";

/** Creates a router. Throws `options-invalid` or `id-invalid`. Uses neither the bus nor the store before `start`. */
export function createRouter(options: RouterOptions): Router {
  return stampVersion(new BusRouter(resolveRouterOptions(options)));
}

class BusRouter implements Router {
  readonly #options: ResolvedRouterOptions;
  readonly #rooms: RoomSubscriptions;
  readonly #roomSequencers: Sequencers<RoomSequencer>;
  readonly #localEcho: LocalEcho;
  readonly #serverPublisher: ServerPublisher;
  readonly #requests: IncomingRequests;
  readonly #receiver: BusReceiver;
  readonly #scatterGather: ScatterGather | undefined;
  readonly #reconciliation: GapDetection | undefined;
  readonly #gaps: GapReporter;
  /** Set if the options contain a history. */
  readonly #recoverable: RecoverableRooms | undefined;
  readonly #absenceCheck: AbsenceCheck;
  #directSubscription: Promise<Subscription> | undefined;
  /** This server's own channel, once it is subscribed. */
  #directChannel: ResumedChannel | undefined;
  #isStarted = false;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRouterOptions) {
    this.#options = options;
    const { bus, local, serverId, servers, maxSequencers, maxPending, orderOf, whileDown, onError } = options;
    const { history, isRecoverable } = options;
    this.#gaps = new GapReporter(options.onGap);
    this.#absenceCheck = new AbsenceCheck(options);
    this.#roomSequencers = new Sequencers(maxSequencers, (name) => {
      requireName(name, "room");
      const route: EnvelopeRoute = { kind: "room", origin: serverId, target: name, except: NOBODY };
      const isStamped = isRecoverable(name);
      const policy = { order: orderOf(name), whileDown: whileDown(name), isRecoverable: isStamped };
      return new RoomSequencer({ kind: "room", name }, isStamped ? { ...route, isStamped } : route, policy);
    });
    const roomPosition = (room: string) => this.#roomSequencers.position(room);
    this.#serverPublisher = new ServerPublisher({ serverId, bus, maxSequencers, maxPending });
    this.#requests = new IncomingRequests({
      carryOut: createOperations({ ...options, roomPosition, serverPosition: this.#serverPublisher.position }),
      answer: (asker, to, outcome) => this.#serverPublisher.answer(asker, to, outcome),
      max: maxPending,
      onFault: (cause, stage) => {
        // After `close` the bus may be closed too, so a response that cannot be sent is no failure.
        if (this.#closing === undefined || stage === "handler") {
          onError(toCmError(cause, "internal", "A request could not be answered."), { stage });
        }
      },
    });
    this.#receiver = new BusReceiver({
      ...options,
      requests: this.#requests,
      pending: this.#serverPublisher.pending,
      gaps: this.#gaps,
    });
    this.#rooms = new RoomSubscriptions({
      bus,
      releaseDelayMs: options.releaseDelayMs,
      maxIdle: options.maxIdleSubscriptions,
      hearsItself: (room) => orderOf(room) === "room",
      orderedRoomOf: (room) => (isRecoverable(room) ? this.#recoverable?.createOrderedRoom(room) : undefined),
      onMessage: (room, message) => this.#receiver.onRoomMessage(room, message),
      onResumed: (room, sinceMs) => this.#onResumed(room, sinceMs),
      onCloseFailed: (error) => onError(error, { stage: "subscription" }),
    });
    this.#recoverable =
      history &&
      new RecoverableRooms({
        serverId,
        history,
        local,
        rooms: this.#rooms,
        receiver: this.#receiver,
        gaps: this.#gaps,
        maxPositions: maxSequencers,
      });
    this.#localEcho = new LocalEcho({
      serverId,
      bus,
      local,
      roomOf: (room) => this.#rooms.occupied(room),
      onGap: (room, missed) => this.#gaps.missed(room, serverId, missed),
    });
    if (servers !== undefined) {
      this.#scatterGather = new ScatterGather({
        servers,
        serverId,
        requireCapacity: (count) => this.#serverPublisher.pending.requireCapacity(count),
        ask: (id, operation, timeoutMs) => this.#ask(id, operation, timeoutMs),
      });
      this.#reconciliation = new GapDetection({
        serverId,
        servers,
        ask: (id, operation, timeoutMs) => this.#serverPublisher.ask(id, operation, timeoutMs),
        roomPosition,
        isOpen: (channel) => channel.name === undefined || this.#rooms.get(channel.name) === channel,
        onMissed: (channel, origin, missed) => this.#gaps.missed(channel.name, origin, missed),
        onUncertain: (channel) => this.#gaps.uncertain(channel.name),
        onWhole: () => this.#gaps.whole(),
        onFault: (cause) =>
          onError(toCmError(cause, "internal", "A comparison of what was missed failed."), { stage: "subscription" }),
      });
    }
  }

  async start(): Promise<void> {
    if (this.#closing !== undefined) throw routerClosed();
    const { bus, serverId } = this.#options;
    this.#directSubscription ??= bus.subscribe(
      { kind: "server", name: serverId },
      (message) => this.#receiver.onDirectMessage(message),
      (sinceMs) => {
        if (this.#directChannel !== undefined) this.#onResumed(this.#directChannel, sinceMs);
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
      requireFrame(frame);
      if (except !== NOBODY) requireExcept(except);
      const sequencer = this.#roomSequencers.of(room);
      const { serverId } = this.#options;
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
      if (sequencer.isPlain) return this.#options.bus.publish(sequencer.channel, message);
      return this.#localEcho.publish(sequencer, message, frame, except);
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
    return this.#confirm(serverId, { type: "deliver-connection", connectionId, frame }, confirmation);
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
    const isLocal = this.#options.local.toUser(userId, frame) > 0;
    const sent = await Promise.all(owners.map((owner) => this.#toOwner(owner, "user", userId, frame)));
    if (isLocal) return "delivered";
    return sent.includes("sent") ? "sent" : this.#absenceCheck.confirm(userId, owners.length);
  }

  async #confirmToUser(userId: string, frame: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome> {
    const deadline = performance.now() + confirmation.confirmMs;
    const leftMs = () => Math.max(1, deadline - performance.now());
    const owners = await within(this.#otherOwnersOf(userId), leftMs(), () => undefined);
    if (owners === undefined) return "timeout";
    this.#serverPublisher.pending.requireCapacity(owners.length);
    const isLocal = this.#options.local.toUser(userId, frame) > 0;
    const confirmMs = leftMs();
    const outcomes = await Promise.all(
      owners.map((owner) => this.#confirm(owner, { type: "deliver-user", userId, frame }, { confirmMs })),
    );
    if (isLocal || outcomes.includes("delivered")) return "delivered";
    if (outcomes.includes("timeout")) return "timeout";
    return within(this.#absenceCheck.confirm(userId, owners.length), leftMs(), () => "timeout" as const);
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
    return this.#confirm(serverId, { type: "deliver-server", payload }, confirmation);
  }

  async control(target: string, request: ControlRequest, time: AnswerTime): Promise<ControlOutcome> {
    this.#requireOpen("control");
    const { serverId, operation } = controlOf(target, request);
    return outcomeOf(await this.#ask(serverId, operation, requireAnswerTime(time)), serverId);
  }

  async ask(question: Uint8Array, time: AnswerTime): Promise<GatheredAnswers> {
    this.#requireOpen("ask");
    requirePayload(question);
    if (this.#scatterGather === undefined) {
      throw new CmError("options-invalid", "A question to the cluster needs `servers`.");
    }
    return this.#scatterGather.ask(question, requireAnswerTime(time));
  }

  serverLost(serverId: string): void {
    this.#serverPublisher.pending.lost(serverId);
  }

  positionOf(room: string): HistoryPosition | undefined {
    return this.#rooms.occupied(room)?.ordered?.position;
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
    if (this.#recoverable === undefined) throw notRecoverable();
    await this.#recoverable.recover(room, from, limit, take, isWanted);
  }

  stats(): RouterStats {
    return {
      rooms: this.#rooms.roomCount,
      idleSubscriptions: this.#rooms.idleCount,
      pendingAnswers: this.#serverPublisher.pending.size,
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
    this.#recoverable?.close();
    this.#reconciliation?.close();
    this.#serverPublisher.pending.close();
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
    const { subscribers } = await this.#serverPublisher.send(serverId, kind, target, payload);
    return subscribers === 0 ? "not-found" : "sent";
  }

  async #confirm(serverId: string, operation: ServerOperation, { confirmMs }: Confirmation): Promise<ConfirmedOutcome> {
    const answer = await this.#serverPublisher.ask(serverId, operation, confirmMs);
    const outcome = outcomeOf(answer, serverId);
    return outcome === "done" ? "delivered" : outcome;
  }

  /** Sends a request to any server; a request to this server does not use the bus. */
  #ask(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    return serverId === this.#options.serverId
      ? this.#requests.run(operation, serverId, timeoutMs)
      : this.#serverPublisher.ask(serverId, operation, timeoutMs);
  }

  /**
   * Starts gap detection after an interrupted subscription; in a recoverable room, reads the history instead.
   * Without this, messages published during the interruption would be noticed only when the next message arrives.
   */
  #onResumed(channel: ResumedChannel & Partial<Pick<SubscribedRoom, "ordered">>, sinceMs: number): void {
    this.#gaps.interrupted();
    if (channel.ordered !== undefined) {
      void channel.ordered.resumed().then((isWhole) => {
        if (isWhole) this.#gaps.whole();
      });
      // Servers that do not treat the room as recoverable publish without its history: their messages may
      // be missing.
      if (channel.trackers.areJudged) this.#gaps.uncertain(channel.name);
      return;
    }
    if (this.#reconciliation === undefined) this.#gaps.uncertain(channel.name);
    else this.#reconciliation.resumed(channel, sinceMs);
  }

  #requireOpen(call: string): void {
    if (this.#closing !== undefined) throw routerClosed();
    if (!this.#isStarted) throw notStarted(`router.${call}`);
  }
}
