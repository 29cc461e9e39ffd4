import { type Channel, CmError, type EnvelopeRoute, requireName } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";
import { Sequencer, Sequencers } from "../ordering/sequencer.js";
import { NOBODY } from "../payload-checks.js";
import type { RoomPolicy } from "./room-policy.js";

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

/** Options of {@link createRoomSequencers}. */
export type RoomSequencersOptions = Pick<
  ResolvedRouterOptions,
  "serverId" | "maxSequencers" | "orderOf" | "whileDown" | "isRecoverable"
>;

/**
 * Creates the sequencers of the rooms that this server publishes in. The room's name and policy are checked once, when
 * its sequencer is created.
 */
export function createRoomSequencers(options: RoomSequencersOptions): Sequencers<RoomSequencer> {
  const { serverId, maxSequencers, orderOf, whileDown, isRecoverable } = options;
  return new Sequencers(maxSequencers, (name) => {
    requireName(name, "room");
    const route: EnvelopeRoute = { kind: "room", origin: serverId, target: name, except: NOBODY };
    const isStamped = isRecoverable(name);
    const policy = { order: orderOf(name), whileDown: whileDown(name), isRecoverable: isStamped };
    return new RoomSequencer({ kind: "room", name }, isStamped ? { ...route, isStamped } : route, policy);
  });
}
