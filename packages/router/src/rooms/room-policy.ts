import type { CmError } from "@cm/protocol";

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
