import { isUtf8 } from "node:buffer";
import {
  type CrossServerMessage,
  decodeControl,
  decodeEnvelope,
  type EnvelopePosition,
  type LocalDelivery,
  readEnvelopePosition,
  readHistoryStamp,
} from "@cm/protocol";
import type { GapReporter } from "./gaps/gap-reporter.js";
import type { ServerMessageHandler } from "./options.js";
import { messageId, originHash } from "./ordering/delivered-fingerprints.js";
import { ChannelTracker, type SequenceTracker } from "./ordering/sequence-tracker.js";
import { NOBODY } from "./payload-checks.js";
import type { OrderedMessage } from "./recovery/ordered-message.js";
import type { OrderedRoom } from "./recovery/ordered-room.js";
import type { IncomingRequests } from "./requests/incoming-requests.js";
import type { PendingRequests } from "./requests/pending-requests.js";
import type { SubscribedRoom } from "./rooms/room-subscriptions.js";

/** The handlers of received messages, and other options of {@link BusReceiver}. */
export interface BusReceiverOptions {
  readonly serverId: string;
  readonly local: LocalDelivery;
  readonly onServerMessage: ServerMessageHandler;
  readonly requests: IncomingRequests;
  readonly pending: PendingRequests;
  readonly gaps: GapReporter;
}

/** Receives the messages of the bus: validates and counts them, drops duplicates, and passes each message on once. */
export class BusReceiver {
  /** Tracks the messages that arrived on this server's own channel, without requests and responses. */
  readonly direct = new ChannelTracker();
  /** Tracks the requests and responses that arrived on this server's own channel. */
  readonly #control = new ChannelTracker();
  readonly counts = {
    received: 0,
    filled: 0,
    duplicates: 0,
    damaged: 0,
    unknownVersion: 0,
    unknownOperations: 0,
    lateAnswers: 0,
  };
  readonly #options: BusReceiverOptions;

  constructor(options: BusReceiverOptions) {
    this.#options = options;
  }

  onRoomMessage(room: SubscribedRoom, bytes: Uint8Array): void {
    const tracker = room.trackers.recognize(bytes);
    if (tracker?.header !== undefined) {
      const payload = bytes.subarray(tracker.header.bytes);
      this.#deliverToRoom(room, tracker, readEnvelopePosition(bytes), payload, NOBODY);
      return;
    }
    const message = this.#decodeOf(room.name, bytes);
    if (message !== undefined) {
      this.#deliverToRoom(room, room.trackers.of(message), message, message.payload, message.except);
    }
  }

  /** Decodes a message stored in a room's history. Returns `undefined` and counts the message if it is damaged. */
  readStored(room: string, bytes: Uint8Array): Omit<OrderedMessage, "at"> | undefined {
    const message = this.#decodeOf(room, bytes);
    if (message === undefined) return undefined;
    const { origin, epoch, sequence, payload, except } = message;
    if (isUtf8(payload)) return { id: messageId(originHash(origin), epoch, sequence), payload, except };
    this.counts.damaged++;
    return undefined;
  }

  onDirectMessage(bytes: Uint8Array): void {
    const message = this.#decode(bytes);
    if (message === undefined) return;
    const deliver = this.#directDelivery(message);
    if (deliver === undefined) this.counts.damaged++;
    else if (message.kind === "control" ? this.#isFirst(message) : this.#isFreshDirect(message)) deliver();
  }

  /**
   * Drops duplicate requests and responses. Gaps among them are not reported: the requester notices a lost
   * request or response by its timeout.
   */
  #isFirst(message: CrossServerMessage): boolean {
    const isFirst = this.#control.of(message).judge(message).kind !== "duplicate";
    if (isFirst) this.counts.received++;
    else this.counts.duplicates++;
    return isFirst;
  }

  #isFreshDirect(message: CrossServerMessage): boolean {
    return this.#isFresh(this.direct.of(message), message, undefined);
  }

  #deliverToRoom(
    room: SubscribedRoom,
    tracker: SequenceTracker,
    position: EnvelopePosition,
    payload: Uint8Array,
    except: readonly string[],
  ): void {
    // In publisher order, this server's members received the message when it was published.
    if (!room.hearsItself && tracker.origin === this.#options.serverId) return;
    // Drop payloads that are not valid UTF-8: browsers close the connection when a text frame contains invalid UTF-8.
    if (!isUtf8(payload)) this.counts.damaged++;
    else if (room.ordered !== undefined && tracker.isStamped)
      this.#take(room.ordered, tracker, position, payload, except);
    // Offset 0 marks a notice of a new epoch. Drop it, because this server does not treat the room as recoverable.
    else if (tracker.isStamped && readHistoryStamp(payload)?.offset === 0) return;
    else if (this.#isFresh(tracker, position, room.name)) this.#options.local.toRoom(room.name, payload, except);
  }

  /**
   * Passes on a message of a recoverable room. The message's order is given by its offset in the history, not
   * by its publisher's number.
   */
  #take(
    ordered: OrderedRoom,
    { originHash: origin }: SequenceTracker,
    { epoch, sequence }: EnvelopePosition,
    payload: Uint8Array,
    except: readonly string[],
  ): void {
    const at = readHistoryStamp(payload);
    if (at === undefined) this.counts.damaged++;
    else ordered.take({ at, id: messageId(origin, epoch, sequence), payload, except });
  }

  /**
   * Returns a function that delivers a message that arrived on this server's own channel, or `undefined` if
   * the message does not belong there.
   */
  #directDelivery(message: CrossServerMessage): (() => void) | undefined {
    const { kind, target, payload } = message;
    const { local, serverId, onServerMessage } = this.#options;
    if (kind === "server") return target === serverId ? () => onServerMessage(message) : undefined;
    if (kind === "control") return target === serverId ? this.#controlDelivery(message) : undefined;
    if (!isUtf8(payload)) return undefined;
    if (kind === "connection") return () => local.toConnection(target, payload);
    if (kind === "user") return () => local.toUser(target, payload);
    return undefined;
  }

  #controlDelivery(message: CrossServerMessage): (() => void) | undefined {
    // A request without a number could not be answered, and a duplicate of it could not be recognized.
    if (message.sequence === 0) return undefined;
    const { origin } = message;
    const { requests, pending } = this.#options;
    const decoded = decodeControl(message.payload);
    if (!decoded.ok) {
      const { error } = decoded;
      if (error.code !== "operation-unknown") return undefined;
      return () => {
        this.counts.unknownOperations++;
        requests.refuse(origin, message, error);
      };
    }
    const control = decoded.value;
    if (control.type === "request") {
      return () => requests.take(origin, message, control.operation, control.timeoutMs);
    }
    return () => {
      if (!pending.take(origin, control.to, control.outcome)) this.counts.lateAnswers++;
    };
  }

  /**
   * Decodes a message of the given room. Returns `undefined` and counts the message if it cannot be decoded or
   * belongs elsewhere.
   */
  #decodeOf(room: string, bytes: Uint8Array): CrossServerMessage | undefined {
    const message = this.#decode(bytes);
    if (message === undefined || (message.kind === "room" && message.target === room)) return message;
    this.counts.damaged++;
    return undefined;
  }

  #decode(bytes: Uint8Array): CrossServerMessage | undefined {
    const decoded = decodeEnvelope(bytes);
    if (decoded.ok) return decoded.value;
    if (decoded.error.code === "envelope-version") this.counts.unknownVersion++;
    else this.counts.damaged++;
    return undefined;
  }

  #isFresh(tracker: SequenceTracker, position: EnvelopePosition, room: string | undefined): boolean {
    const arrival = tracker.judge(position);
    if (arrival.kind === "duplicate") {
      this.counts.duplicates++;
      return false;
    }
    if (arrival.kind === "after-gap") this.#options.gaps.missed(room, tracker.origin, arrival.missed);
    if (arrival.kind === "implausible") this.#options.gaps.implausible(room);
    this.counts.received++;
    return true;
  }
}
