import {
  CmError,
  type History,
  type HistoryDraft,
  type HistoryPosition,
  type LinkState,
  type LocalDelivery,
  type Published,
} from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import type { BusReceiver } from "../bus-receiver.js";
import type { GapReporter } from "../gaps/gap-reporter.js";
import { messageId, originHash } from "../ordering/delivered-fingerprints.js";
import type { RoomSubscriptions } from "../rooms/room-subscriptions.js";
import { AcknowledgedPositions } from "./acknowledged-positions.js";
import { epochNotice } from "./epoch-notice.js";
import { throttledHistory } from "./history-throttling.js";
import { OrderedRoom } from "./ordered-room.js";
import { type Recovery, type RecoveryLimit, recoverFrom } from "./room-recovery.js";
import { SetBackDetection } from "./set-back-detection.js";

/**
 * Number of concurrent recoveries. All members of a dead server may come back at once, and each recovery may
 * use memory up to its limit, and for one page of the history.
 */
const RECOVERIES_AT_ONCE = 16;

/** Creates the result of a publish. It lacks the number of subscribers, because a history does not report it. */
const UNKNOWN_REACH = (): Published => ({});

/** Options of {@link RecoverableRooms}. */
export interface RecoverableRoomsOptions {
  readonly serverId: string;
  readonly history: History;
  readonly local: LocalDelivery;
  readonly rooms: RoomSubscriptions;
  readonly receiver: BusReceiver;
  readonly gaps: GapReporter;
  /** Maximum number of rooms per minute whose acknowledged positions are remembered. */
  readonly maxPositions: number;
}

/**
 * Publishes the messages of recoverable rooms through their histories, delivers them in the order of the histories,
 * and recovers messages for returning clients.
 */
export class RecoverableRooms {
  readonly #options: RecoverableRoomsOptions;
  readonly #throttled: History;
  readonly #recoveries = new Semaphore(RECOVERIES_AT_ONCE);
  readonly #acknowledged: AcknowledgedPositions;
  readonly #setBackDetection: SetBackDetection;
  readonly #originHash: number;
  readonly #endProofs: () => void;

  constructor(options: RecoverableRoomsOptions) {
    this.#options = options;
    const { serverId, history, rooms, receiver, gaps, maxPositions } = options;
    this.#throttled = throttledHistory(history);
    this.#originHash = originHash(serverId);
    this.#acknowledged = new AcknowledgedPositions(maxPositions);
    this.#setBackDetection = new SetBackDetection({
      history: this.#throttled,
      positions: this.#acknowledged,
      noticeOf: (room) => epochNotice(serverId, room),
      read: (room, message) => receiver.readStored(room, message),
      onIncomplete: () => {
        for (const room of rooms.recoverable()) gaps.lost(room, undefined);
      },
    });
    this.#endProofs = history.link.onState((state) => this.#onLinkState(state));
  }

  async append(room: string, draft: HistoryDraft): Promise<Published> {
    const position = await this.#options.history.append(room, draft);
    const { epoch, sequence } = draft.sender;
    // Offset 0: the message was stored by an earlier attempt, under an epoch that has ended since.
    if (position.offset > 0) this.#acknowledged.add(room, position, messageId(this.#originHash, epoch, sequence));
    return UNKNOWN_REACH();
  }

  /** Creates the ordered delivery of a room that is being joined. */
  createOrderedRoom(room: string): OrderedRoom {
    const { serverId, local, receiver, gaps } = this.#options;
    const { counts } = receiver;
    return new OrderedRoom({
      room,
      history: this.#throttled,
      notice: epochNotice(serverId, room),
      deliver: (payload, except) => {
        counts.received++;
        local.toRoom(room, payload, except);
      },
      read: (message) => receiver.readStored(room, message),
      onGap: (missed) => gaps.lost(room, missed),
      onDuplicate: () => {
        counts.duplicates++;
      },
      onFilled: () => {
        counts.filled++;
      },
    });
  }

  /** See `Router.recover`. */
  async recover(
    room: string,
    from: HistoryPosition,
    limit: RecoveryLimit,
    take: (recovery: Recovery) => void,
    isWanted: () => boolean,
  ): Promise<void> {
    const { rooms, receiver } = this.#options;
    const ordered = rooms.occupied(room)?.ordered;
    if (ordered === undefined) throw notRecoverable();
    const read = (message: Uint8Array) => receiver.readStored(room, message);
    const history = this.#throttled;
    await this.#recoveries.run(async () => {
      if (isWanted()) await recoverFrom(from, limit, { room, history, ordered, read }, take);
      else take({ recovered: false, position: ordered.position, frames: [] });
    });
  }

  close(): void {
    this.#endProofs();
    this.#setBackDetection.close();
  }

  #onLinkState(state: LinkState): void {
    if (state !== "in-sync") return;
    for (const ordered of this.#options.rooms.orderedRooms()) ordered.proven();
    this.#setBackDetection.proven();
  }
}

/** Creates the error for a room that is not recoverable or was not entered on this server. */
export function notRecoverable(): CmError {
  return new CmError("options-invalid", "The room must be recoverable and entered on this server.", {
    details: { field: "room" },
  });
}
