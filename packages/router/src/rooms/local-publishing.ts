import { type Bus, CmError, isCmError, type LocalDelivery, type Published, readEnvelopePosition } from "@cm/protocol";
import type { Verdict } from "../ordering/sequence-tracker.js";
import { requireUtf8 } from "../payload-checks.js";
import type { LocalReach } from "./room-policy.js";
import type { RoomSequencer } from "./room-sequencers.js";
import type { SubscribedRoom } from "./room-subscriptions.js";

/** Options of {@link LocalPublishing}. */
export interface LocalPublishingOptions {
  readonly serverId: string;
  readonly bus: Bus;
  readonly local: LocalDelivery;
  readonly roomOf: (name: string) => SubscribedRoom | undefined;
  readonly onGap: (room: string, missed: number) => void;
}

/** Publishes in rooms whose local members may receive a message without the bus. */
export class LocalPublishing {
  readonly #options: LocalPublishingOptions;

  constructor(options: LocalPublishingOptions) {
    this.#options = options;
  }

  async publish(
    sequencer: RoomSequencer,
    message: Uint8Array,
    text: Uint8Array | string,
    except: readonly string[],
  ): Promise<Published | LocalReach> {
    const frame = typeof text === "string" ? Buffer.from(text) : text;
    requireUtf8(frame);
    return sequencer.policy.order === "publisher"
      ? this.#echo(sequencer, message, frame, except)
      : this.#fallBack(sequencer, message, frame, except);
  }

  /** Delivers to local members at once. The copy that comes back from the bus is dropped by the receiver. */
  async #echo(
    { channel, policy }: RoomSequencer,
    message: Uint8Array,
    frame: Uint8Array,
    except: readonly string[],
  ): Promise<Published | LocalReach> {
    const { bus, local, roomOf } = this.#options;
    const isDelivered = roomOf(channel.name) !== undefined;
    if (isDelivered) local.toRoom(channel.name, frame, except);
    try {
      return await bus.publish(channel, message);
    } catch (error) {
      if (!isDelivered || !isOutage(error)) throw error;
      if (policy.whileDown === "deliver-locally") return { local: true, error };
      const { code, message: text, cause, details } = error;
      throw new CmError(code, text, { cause, details: { ...details, local: true } });
    }
  }

  /**
   * Publishes over the bus. If the bus rejects the message and no copy of it has arrived nevertheless,
   * delivers the message to local members.
   */
  async #fallBack(
    { channel }: RoomSequencer,
    message: Uint8Array,
    frame: Uint8Array,
    except: readonly string[],
  ): Promise<Published | LocalReach> {
    const { bus, local, roomOf, serverId, onGap } = this.#options;
    try {
      return await bus.publish(channel, message);
    } catch (error) {
      const room = roomOf(channel.name);
      if (room === undefined || !isOutage(error)) throw error;
      // Record the message as arrived, so that a copy that arrives later is dropped as a duplicate.
      const arrival: Verdict = room.trackers
        .of({ kind: "room", origin: serverId, target: channel.name })
        .judge(readEnvelopePosition(message));
      if (arrival.kind === "duplicate") return {};
      if (arrival.kind === "after-gap") onGap(channel.name, arrival.missed);
      local.toRoom(channel.name, frame, except);
      return { local: true, error };
    }
  }
}

function isOutage(error: unknown): error is CmError {
  return isCmError(error) && (error.code === "unavailable" || error.code === "timeout");
}
