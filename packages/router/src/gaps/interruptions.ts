import { type SequencerPosition, toCmError } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";
import type { ServerPublisher } from "../requests/server-publisher.js";
import type { SubscribedRoom } from "../rooms/room-subscriptions.js";
import type { RoutedRooms } from "../rooms/routed-rooms.js";
import { GapDetection, type ResumedChannel } from "./gap-detection.js";
import type { GapReporter } from "./gap-reporter.js";

/** Options of {@link Interruptions}. */
export interface InterruptionsOptions extends Pick<ResolvedRouterOptions, "serverId" | "servers" | "onError"> {
  readonly publisher: Pick<ServerPublisher, "ask">;
  readonly rooms: Pick<RoutedRooms, "isOpen">;
  readonly gaps: GapReporter;
  /** The position of this server's sequencer for a room. */
  readonly roomPosition: (room: string) => SequencerPosition;
}

/** Finds out which messages of a channel were missed while its subscription was interrupted. */
export class Interruptions {
  readonly #gaps: GapReporter;
  /** Set if the store has a registry. */
  readonly #detection: GapDetection | undefined;

  constructor({ serverId, servers, publisher, rooms, gaps, roomPosition, onError }: InterruptionsOptions) {
    this.#gaps = gaps;
    this.#detection =
      servers &&
      new GapDetection({
        serverId,
        servers,
        ask: (id, operation, timeoutMs) => publisher.ask(id, operation, timeoutMs),
        roomPosition,
        isOpen: (channel) => rooms.isOpen(channel),
        onMissed: (channel, origin, missed) => gaps.missed(channel.name, origin, missed),
        onUncertain: (channel) => gaps.uncertain(channel.name),
        onWhole: () => gaps.whole(),
        onFault: (cause) => onError(toCmError(cause, "internal", "Gap detection failed."), { stage: "subscription" }),
      });
  }

  /**
   * Starts gap detection after an interrupted subscription; in a recoverable room, reads the history instead.
   * Without this, messages published during the interruption would be noticed only when the next message arrives.
   */
  resumed(channel: ResumedChannel & Partial<Pick<SubscribedRoom, "ordered">>, sinceMs: number): void {
    this.#gaps.interrupted();
    if (channel.ordered !== undefined) {
      void channel.ordered.resumed().then((isWhole) => {
        if (isWhole) this.#gaps.whole();
      });
      // Servers that do not treat the room as recoverable publish without its history: their messages may
      // be missing.
      if (channel.trackers.areJudged) this.#gaps.uncertain(channel.name);
      return;
    }
    if (this.#detection === undefined) this.#gaps.uncertain(channel.name);
    else this.#detection.resumed(channel, sinceMs);
  }

  close(): void {
    this.#detection?.close();
  }
}
