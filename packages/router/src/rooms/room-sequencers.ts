import { type EnvelopeRoute, requireName } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";
import { Sequencers } from "../ordering/sequencer.js";
import { NOBODY } from "../payload-checks.js";
import { RoomSequencer } from "./room-policy.js";

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
