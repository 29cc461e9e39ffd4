import {
  CmError,
  connectionIdsOf,
  type EnteredRoom,
  type EnvelopeRoute,
  type History,
  type HistoryDraft,
  type HistoryPosition,
  type LinkState,
  ownerOf,
  type Published,
  type RegistrySnapshot,
  requireConnectionId,
  requireName,
  requireServerId,
  type ServerOperation,
  type Subscription,
  toCmError,
} from "@cm/protocol";
import { stampVersion } from "@cm/protocol/options";
import { BusReceiver } from "./bus-receiver.js";
import {
  type ResolvedRouterOptions,
  type RouterOptions,
  requireRecoveryLimit,
  requireTimeout,
  resolveRouterOptions,
} from "./options.js";
import { messageId, originHash } from "./ordering/delivered-fingerprints.js";
import { Sequencers } from "./ordering/sequencer.js";
import { AcknowledgedPositions } from "./recovery/acknowledged-positions.js";
import { historyNotice } from "./recovery/epoch-notice.js";
import { GapDetection, type ResumedChannel } from "./recovery/gap-detection.js";
import { OrderedRoom } from "./recovery/ordered-room.js";
import { type Recovery, type RecoveryLimit, recoverFrom } from "./recovery/room-recovery.js";
import { SetBackDetection } from "./recovery/set-back-detection.js";
import { readWithMeasure } from "./recovery/throttled-history.js";
import { type ControlOutcome, type ControlRequest, controlOf, outcomeOf } from "./requests/control.js";
import { IncomingRequests } from "./requests/incoming-requests.js";
import { createOperations } from "./requests/operations.js";
import type { Answer } from "./requests/pending-requests.js";
import { type GatheredAnswers, ScatterGather } from "./requests/scatter-gather.js";
import { ServerChannels } from "./requests/server-channels.js";
import { LocalEcho } from "./rooms/local-echo.js";
import { type LocalReach, RoomSequencer, requireStampable } from "./rooms/room-policy.js";
import { RoomSubscriptions, type SubscribedRoom } from "./rooms/room-subscriptions.js";
import type { AnswerTime, Confirmation, ConfirmedOutcome, RouteOutcome, Router } from "./router.js";
import type { RouterStats } from "./router-stats.js";
import { Semaphore } from "./semaphore.js";

/** Makes a router. Throws `options-invalid` or `id-invalid`; touches nothing until `start`. */
export function createRouter(options: RouterOptions): Router {
  return stampVersion(new BusRouter(resolveRouterOptions(options)));
}

const NOBODY: readonly string[] = Object.freeze([]);

/** All members of a server that died come back at once, each to be given up to a limit's worth of memory. */
const RECOVERIES_AT_ONCE = 16;

/** What a registry tells that knows of no server. */
const EMPTY: RegistrySnapshot = { living: [], lapsed: [], recentlyGone: [], knownForMs: 0 };

/** A history does not say how many heard what it published. */
const UNKNOWN_REACH = (): Published => ({});

class BusRouter implements Router {
  readonly #options: ResolvedRouterOptions;
  readonly #rooms: RoomSubscriptions;
  readonly #outboundRooms: Sequencers<RoomSequencer>;
  readonly #localEcho: LocalEcho;
  readonly #channels: ServerChannels;
  readonly #requests: IncomingRequests;
  readonly #receiver: BusReceiver;
  readonly #questions: ScatterGather | undefined;
  readonly #reconciliation: GapDetection | undefined;
  readonly #counts = { gaps: 0, missed: 0, interruptions: 0, resumedWhole: 0, resumedUncertain: 0 };
  /** The history, read with measure. */
  readonly #history: History | undefined;
  readonly #recoveries = new Semaphore(RECOVERIES_AT_ONCE);
  readonly #endProofs: () => void;
  readonly #acknowledged: AcknowledgedPositions;
  readonly #setBackDetection: SetBackDetection | undefined;
  readonly #originHash: number;
  #directSubscription: Promise<Subscription> | undefined;
  /** Set when this server's own channel is live. */
  #directChannel: ResumedChannel | undefined;
  /** A reading of the registry that is under way. */
  #reading: Promise<RegistrySnapshot> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRouterOptions) {
    this.#options = options;
    const { bus, local, serverId, servers, maxSequencers, maxPending, orderOf, whileDown, onError } = options;
    const { isRecoverable } = options;
    const history = options.history === undefined ? undefined : readWithMeasure(options.history);
    this.#history = history;
    this.#originHash = originHash(serverId);
    this.#acknowledged = new AcknowledgedPositions(maxSequencers);
    this.#outboundRooms = new Sequencers(maxSequencers, (name) => {
      requireName(name, "room");
      const route: EnvelopeRoute = { kind: "room", origin: serverId, target: name, except: NOBODY };
      const isStamped = isRecoverable(name);
      const policy = { order: orderOf(name), whileDown: whileDown(name), isRecoverable: isStamped };
      return new RoomSequencer({ kind: "room", name }, isStamped ? { ...route, isStamped } : route, policy);
    });
    const roomPosition = (room: string) => this.#outboundRooms.position(room);
    const onMissed = (room: string | undefined, origin: string, missed: number) => this.#onMissed(room, origin, missed);
    this.#channels = new ServerChannels({ serverId, bus, maxSequencers, maxPending });
    this.#requests = new IncomingRequests({
      carryOut: createOperations({ ...options, roomPosition, serverPosition: this.#channels.position }),
      answer: (asker, to, outcome) => this.#channels.answer(asker, to, outcome),
      max: maxPending,
      onFault: (cause, stage) => {
        // An answer that comes after the end finds the bus closed, which is no failure.
        if (this.#closing === undefined || stage === "handler") {
          onError(toCmError(cause, "internal", "A request could not be answered."), { stage });
        }
      },
    });
    this.#receiver = new BusReceiver({
      ...options,
      requests: this.#requests,
      pending: this.#channels.pending,
      onMissed,
      onImplausible: (room) => {
        this.#counts.gaps++;
        options.onGap({ room, known: undefined });
      },
    });
    this.#rooms = new RoomSubscriptions({
      bus,
      releaseDelayMs: options.releaseDelayMs,
      maxIdle: options.maxIdleSubscriptions,
      hearsItself: (room) => orderOf(room) === "room",
      streamOf: (room) =>
        history !== undefined && isRecoverable(room) ? this.#createStream(room, history) : undefined,
      onMessage: (room, message) => this.#receiver.onRoomMessage(room, message),
      onResumed: (room, sinceMs) => this.#onResumed(room, sinceMs),
      onCloseFailed: (error) => onError(error, { stage: "subscription" }),
    });
    this.#setBackDetection =
      history &&
      new SetBackDetection({
        history,
        positions: this.#acknowledged,
        noticeOf: (room) => historyNotice(serverId, room),
        read: (room, message) => this.#receiver.readStored(room, message),
        onIncomplete: () => {
          for (const room of this.#rooms.recoverable()) this.#onLost(room, undefined);
        },
      });
    const onLinkState = (state: LinkState): void => {
      if (state !== "in-sync") return;
      for (const stream of this.#rooms.streams()) stream.proven();
      this.#setBackDetection?.proven();
    };
    this.#endProofs = history?.link.onState(onLinkState) ?? (() => undefined);
    this.#localEcho = new LocalEcho({
      serverId,
      bus,
      local,
      roomOf: (room) => this.#rooms.occupied(room),
      onGap: (room, missed) => onMissed(room, serverId, missed),
    });
    if (servers !== undefined) {
      this.#questions = new ScatterGather({
        servers,
        serverId,
        requireRoom: (count) => this.#channels.pending.requireRoom(count),
        ask: (id, operation, timeoutMs) => this.#ask(id, operation, timeoutMs),
      });
      this.#reconciliation = new GapDetection({
        serverId,
        servers,
        ask: (id, operation, timeoutMs) => this.#channels.ask(id, operation, timeoutMs),
        roomPosition,
        isOpen: (channel) => channel.name === undefined || this.#rooms.get(channel.name) === channel,
        onMissed: (channel, origin, missed) => onMissed(channel.name, origin, missed),
        onUncertain: (channel) => this.#onUncertain(channel),
        onWhole: () => {
          this.#counts.resumedWhole++;
        },
        onFault: (cause) =>
          onError(toCmError(cause, "internal", "A comparison of what was missed failed."), { stage: "subscription" }),
      });
    }
  }

  async start(): Promise<void> {
    this.#requireOpen();
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
    this.#directChannel ??= { name: undefined, arrivals: this.#receiver.direct, liveSinceMs, hearsItself: false };
  }

  enter(room: string): Promise<EnteredRoom> {
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
    // No async function: this is called for every message.
    try {
      this.#requireOpen();
      const outbound = this.#outboundRooms.of(room);
      const { serverId, history } = this.#options;
      const { isRecoverable } = outbound.policy;
      const route: EnvelopeRoute | undefined =
        except.length === 0
          ? undefined
          : { kind: "room", origin: serverId, target: room, except, isStamped: isRecoverable };
      if (isRecoverable && history !== undefined) {
        requireStampable(frame);
        return this.#append(history, room, outbound.draft(frame, serverId, route));
      }
      const message = outbound.message(frame, route);
      if (outbound.isPlain) return this.#options.bus.publish(outbound.channel, message);
      return this.#localEcho.publish(outbound, message, frame, except);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  toConnection(connectionId: string, frame: Uint8Array): Promise<RouteOutcome>;
  toConnection(connectionId: string, frame: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toConnection(
    connectionId: string,
    frame: Uint8Array,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen();
    if (confirmation !== undefined) requireTimeout("confirmMs", confirmation.confirmMs);
    const { serverId } = requireConnectionId(connectionId);
    if (serverId === this.#options.serverId) {
      return this.#options.local.toConnection(connectionId, frame) ? "delivered" : "not-found";
    }
    if (confirmation === undefined) return this.#toOwner(serverId, "connection", connectionId, frame);
    return this.#confirm(serverId, { type: "deliver-connection", connectionId, frame }, confirmation);
  }

  toUser(userId: string, frame: Uint8Array): Promise<RouteOutcome>;
  toUser(userId: string, frame: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toUser(
    userId: string,
    frame: Uint8Array,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen();
    if (confirmation !== undefined) requireTimeout("confirmMs", confirmation.confirmMs);
    requireName(userId, "user");
    const owners = new Set<string>();
    for (const connectionId of await connectionIdsOf(this.#options.users, userId)) {
      const owner = ownerOf(connectionId);
      if (owner !== undefined) owners.add(owner);
    }
    owners.delete(this.#options.serverId);
    if (confirmation !== undefined) this.#channels.pending.requireRoom(owners.size);
    // This server knows its own sockets, whatever the registry has forgotten.
    const isLocal = this.#options.local.toUser(userId, frame) > 0;
    if (confirmation === undefined) {
      const sent = await Promise.all([...owners].map((owner) => this.#toOwner(owner, "user", userId, frame)));
      if (isLocal) return "delivered";
      return sent.includes("sent") ? "sent" : this.#userNotFound(userId, owners.size);
    }
    const outcomes = await Promise.all(
      [...owners].map((owner) => this.#confirm(owner, { type: "deliver-user", userId, frame }, confirmation)),
    );
    if (isLocal || outcomes.includes("delivered")) return "delivered";
    return outcomes.includes("timeout") ? "timeout" : this.#userNotFound(userId, owners.size);
  }

  toServer(serverId: string, payload: Uint8Array): Promise<RouteOutcome>;
  toServer(serverId: string, payload: Uint8Array, confirmation: Confirmation): Promise<ConfirmedOutcome>;
  async toServer(
    serverId: string,
    payload: Uint8Array,
    confirmation?: Confirmation,
  ): Promise<RouteOutcome | ConfirmedOutcome> {
    this.#requireOpen();
    if (confirmation !== undefined) requireTimeout("confirmMs", confirmation.confirmMs);
    requireServerId(serverId);
    if (serverId === this.#options.serverId) {
      this.#options.onServerMessage({ origin: serverId, payload });
      return "delivered";
    }
    if (confirmation === undefined) return this.#toOwner(serverId, "server", serverId, payload);
    return this.#confirm(serverId, { type: "deliver-server", payload }, confirmation);
  }

  async control(target: string, request: ControlRequest, { timeoutMs }: AnswerTime): Promise<ControlOutcome> {
    this.#requireOpen();
    const { serverId, operation } = controlOf(target, request);
    return outcomeOf(await this.#ask(serverId, operation, requireTimeout("timeoutMs", timeoutMs)), serverId);
  }

  async ask(question: Uint8Array, { timeoutMs }: AnswerTime): Promise<GatheredAnswers> {
    this.#requireOpen();
    if (this.#questions === undefined) {
      throw new CmError("options-invalid", "A question to the cluster needs `servers`.");
    }
    return this.#questions.ask(question, requireTimeout("timeoutMs", timeoutMs));
  }

  serverLost(serverId: string): void {
    this.#channels.pending.lost(serverId);
  }

  positionOf(room: string): HistoryPosition | undefined {
    return this.#rooms.occupied(room)?.stream?.position;
  }

  async recover(
    room: string,
    from: HistoryPosition,
    limit: RecoveryLimit,
    take: (recovery: Recovery) => void,
  ): Promise<void> {
    this.#requireOpen();
    requireRecoveryLimit(limit);
    const history = this.#history;
    const stream = this.#rooms.occupied(room)?.stream;
    if (history === undefined || stream === undefined) {
      throw new CmError("options-invalid", "Only a recoverable room that was entered here can be recovered.", {
        details: { field: "room" },
      });
    }
    const read = (message: Uint8Array) => this.#receiver.readStored(room, message);
    await this.#recoveries.use(() => recoverFrom(from, limit, { room, history, stream, read }, take));
  }

  stats(): RouterStats {
    return {
      rooms: this.#rooms.roomCount,
      idleSubscriptions: this.#rooms.idleCount,
      pendingAnswers: this.#channels.pending.size,
      ...this.#receiver.counts,
      ...this.#counts,
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
    this.#endProofs();
    this.#setBackDetection?.close();
    this.#reconciliation?.close();
    this.#channels.pending.close();
    await this.#rooms.close();
    try {
      await (await this.#directSubscription)?.close();
    } catch (cause) {
      const error = new CmError("unavailable", "The server's channel could not be let go.", { cause });
      this.#options.onError(error, { stage: "subscription" });
    }
  }

  async #append(history: History, room: string, draft: HistoryDraft): Promise<Published> {
    const position = await history.append(room, draft);
    const { epoch, sequence } = draft.sender;
    // Offset 0 answers for a message of an epoch that has ended.
    if (position.offset > 0) this.#acknowledged.add(room, position, messageId(this.#originHash, epoch, sequence));
    return UNKNOWN_REACH();
  }

  /**
   * A registry without the user is believed where it has this server's lease, and every other lease in it
   * is valid: one that lost its data, or whose clock passed a lease, hides users that are there. A user
   * that had no owner is looked for once more then: leases that were found valid may have been acquired again since.
   */
  async #userNotFound(userId: string, owners: number): Promise<"not-found"> {
    const { holdsLease, serverId, users } = this.#options;
    if (holdsLease === undefined) return "not-found";
    const snapshot = holdsLease() ? await this.#snapshot() : EMPTY;
    if (snapshot === undefined) return "not-found";
    const { living, lapsed, knownForMs } = snapshot;
    const isHere = living.some((server) => server.serverId === serverId);
    const isBelieved = knownForMs > 0 && lapsed.length === 0 && isHere;
    const isElsewhere = (connectionId: string): boolean => ownerOf(connectionId) !== serverId;
    if (isBelieved && (owners > 0 || !(await connectionIdsOf(users, userId)).some(isElsewhere))) return "not-found";
    throw new CmError("unavailable", "Where the user is connected is not known for now.");
  }

  /** One reading at a time, however many messages are for users who are not there. */
  #snapshot(): Promise<RegistrySnapshot> | undefined {
    this.#reading ??= this.#options.servers?.snapshot({ idsOnly: true }).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #toOwner(
    serverId: string,
    kind: "connection" | "user" | "server",
    target: string,
    payload: Uint8Array,
  ): Promise<RouteOutcome> {
    const { subscribers } = await this.#channels.send(serverId, kind, target, payload);
    return subscribers === 0 ? "not-found" : "sent";
  }

  async #confirm(serverId: string, operation: ServerOperation, { confirmMs }: Confirmation): Promise<ConfirmedOutcome> {
    const answer = await this.#channels.ask(serverId, operation, confirmMs);
    const outcome = outcomeOf(answer, serverId);
    return outcome === "done" ? "delivered" : outcome;
  }

  /** Asks any server; this one without the bus. */
  #ask(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    return serverId === this.#options.serverId
      ? this.#requests.run(operation, serverId, timeoutMs)
      : this.#channels.ask(serverId, operation, timeoutMs);
  }

  #onMissed(room: string | undefined, origin: string, missed: number): void {
    this.#counts.gaps++;
    this.#counts.missed += missed;
    this.#options.onGap({ room, known: { origin, missed } });
  }

  #createStream(room: string, history: History): OrderedRoom {
    const { counts } = this.#receiver;
    return new OrderedRoom({
      room,
      history,
      notice: historyNotice(this.#options.serverId, room),
      deliver: (payload, except) => {
        counts.received++;
        this.#options.local.toRoom(room, payload, except);
      },
      read: (message) => this.#receiver.readStored(room, message),
      onGap: (missed) => this.#onLost(room, missed),
      onDuplicate: () => {
        counts.duplicates++;
      },
      onFilled: () => {
        counts.filled++;
      },
    });
  }

  /** A recoverable room's history does not have what is missing. */
  #onLost(room: string, missed: number | undefined): void {
    this.#counts.gaps++;
    this.#counts.missed += missed ?? 0;
    this.#options.onGap({ room, known: missed === undefined ? undefined : { origin: undefined, missed } });
  }

  /** What was published during an interruption shows in the numbers only when more is published, or when asked for. */
  #onResumed(channel: ResumedChannel & Partial<Pick<SubscribedRoom, "stream">>, sinceMs: number): void {
    this.#counts.interruptions++;
    if (channel.stream !== undefined) {
      void channel.stream.resumed().then((isWhole) => {
        if (isWhole) this.#counts.resumedWhole++;
      });
      // Servers that don't hold the room for recoverable publish past its history.
      if (channel.arrivals.areJudged) this.#onUncertain(channel);
      return;
    }
    if (this.#reconciliation === undefined) this.#onUncertain(channel);
    else this.#reconciliation.resumed(channel, sinceMs);
  }

  #onUncertain({ name }: ResumedChannel): void {
    this.#counts.resumedUncertain++;
    this.#options.onGap({ room: name, known: undefined });
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new CmError("closed", "The router is closed.");
  }
}
