import { isUtf8 } from "node:buffer";
import { type Channel, CmError, type EnvelopeRoute, takesHistoryStamp } from "@cm/protocol";
import { Sequencer } from "../ordering/sequencer.js";

/**
 * The order in which the members of a room receive its messages.
 *
 * - `room`: one order for all members on all servers; every copy comes back from the bus
 * - `publisher`: only the messages of the same publisher keep their order; members on the publisher's server
 *   receive them at once, others through the bus
 */
export type RoomOrder = "room" | "publisher";

/**
 * What the router does with a message that the bus does not accept.
 *
 * - `refuse`: the publisher gets the error
 * - `deliver-locally`: members on this server receive the message, and the result says so; see
 *   {@link LocalReach}
 */
export type WhileDown = "refuse" | "deliver-locally";

/**
 * Result of a publish that reached only this server's members: the bus did not accept the message, or did not
 * acknowledge it in time.
 */
export interface LocalReach {
  /** Always `true`, which distinguishes this type from `Published`. */
  readonly local: true;
  /**
   * The error of the bus: `unavailable` or `timeout`. After a `timeout`, other servers may have received the
   * message too.
   */
  readonly error: CmError;
}

/** How a room's messages are published. */
export interface RoomPolicy {
  readonly order: RoomOrder;
  readonly whileDown: WhileDown;
  /** Whether the room's messages go through the history. */
  readonly isRecoverable: boolean;
}

/** Numbers the messages that this server publishes in one room, and holds the room's policy. */
export class RoomSequencer extends Sequencer<Channel> {
  readonly policy: RoomPolicy;
  /** Whether a publish needs only the bus, as in most rooms. Determined once, when the sequencer is created. */
  readonly isPlain: boolean;

  constructor(channel: Channel, route: EnvelopeRoute, policy: RoomPolicy) {
    super(channel, route);
    this.policy = policy;
    const isOrdered = policy.order === "room" && policy.whileDown === "refuse";
    this.isPlain = isOrdered && !policy.isRecoverable;
    if (policy.isRecoverable && !isOrdered) {
      throw new CmError(
        "options-invalid",
        `${channel.name} can't be recoverable, because its members may get messages that bypass the bus.`,
      );
    }
  }
}

/**
 * Throws `frame-not-text` or `frame-invalid` unless the frame is UTF-8 and a JSON object with at least one
 * field, as the history's stamp requires.
 */
export function requireStampable(frame: Uint8Array | string): void {
  if (typeof frame !== "string" && !isUtf8(frame)) throw new CmError("frame-not-text", "The frame is not UTF-8.");
  if (typeof frame === "string" ? frame.startsWith('{"') : takesHistoryStamp(frame)) return;
  throw new CmError("frame-invalid", "A frame for a recoverable room must be a JSON object with at least one field.");
}
