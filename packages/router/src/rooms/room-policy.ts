import { isUtf8 } from "node:buffer";
import { type Channel, CmError, type EnvelopeRoute, takesHistoryStamp } from "@cm/protocol";
import { Sequencer } from "../ordering/sequencer.js";

/**
 * In which order the members of a room get its messages.
 *
 * - `room`: one order for all members on all servers: every copy comes back from the bus
 * - `publisher`: only one publisher's messages keep theirs; members on its own server get
 *   them at once, others through the bus
 */
export type RoomOrder = "room" | "publisher";

/**
 * What becomes of a message that the bus can't take.
 *
 * - `refuse`: the publisher gets the error
 * - `deliver-locally`: members on this server get it, and the publisher is told so
 */
export type WhileDown = "refuse" | "deliver-locally";

/** Members on this server got the message; the bus did not take it, or did not say so in time. */
export interface LocalReach {
  /** Always `true`, which tells it from `Published`. */
  readonly local: true;
  /** What the bus failed with: `unavailable`, or `timeout`, after which others may have got it too. */
  readonly error: CmError;
}

/** How a room is to be treated. */
export interface RoomPolicy {
  readonly order: RoomOrder;
  readonly whileDown: WhileDown;
  /** Whether its messages go through the history. */
  readonly isRecoverable: boolean;
}

/** What this server publishes in one room. */
export class RoomSequencer extends Sequencer<Channel> {
  readonly policy: RoomPolicy;
  /** Whether a publish is no more than that: what most rooms are, decided once. */
  readonly isPlain: boolean;

  constructor(channel: Channel, route: EnvelopeRoute, policy: RoomPolicy) {
    super(channel, route);
    this.policy = policy;
    const isOrdered = policy.order === "room" && policy.whileDown === "refuse";
    this.isPlain = isOrdered && !policy.isRecoverable;
    if (policy.isRecoverable && !isOrdered) {
      throw new CmError(
        "options-invalid",
        `${channel.name} can't be recoverable: its members may get messages past the bus.`,
      );
    }
  }
}

/** What a history is to stamp is UTF-8 and a JSON object that is not empty. Throws `frame-not-text` or `frame-invalid`. */
export function requireStampable(frame: Uint8Array | string): void {
  if (typeof frame !== "string" && !isUtf8(frame)) throw new CmError("frame-not-text", "The frame is not UTF-8.");
  if (typeof frame === "string" ? frame.startsWith('{"') : takesHistoryStamp(frame)) return;
  throw new CmError("frame-invalid", "A frame for a recoverable room is a JSON object with at least one field.");
}
