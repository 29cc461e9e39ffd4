import type { Channel, CmError, EnvelopeRoute } from "@cm/protocol";
import { Outbound } from "./numbering.js";

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
  readonly local: true;
  /** What the bus failed with: `unavailable`, or `timeout`, after which others may have got it too. */
  readonly error: CmError;
}

/** How a room is to be treated. */
export interface RoomPolicy {
  readonly order: RoomOrder;
  readonly whileDown: WhileDown;
}

/** What this server publishes in one room. */
export class RoomOutbound extends Outbound<Channel> {
  readonly policy: RoomPolicy;
  /** Whether a publish is no more than that: what most rooms are, decided once. */
  readonly isPlain: boolean;

  constructor(channel: Channel, route: EnvelopeRoute, policy: RoomPolicy) {
    super(channel, route);
    this.policy = policy;
    this.isPlain = policy.order === "room" && policy.whileDown === "refuse";
  }
}
