import { type Channel, encodeUtf8, type PresenceChangeKind } from "@cm/protocol";
import type { ChannelTable } from "../bus/channel-table.js";
import { changeText, nextVersion } from "../change-versions.js";

/** A presence change to be announced. */
export interface PresenceNews {
  readonly kind: PresenceChangeKind;
  readonly userId: string;
  readonly connectionId?: string | undefined;
  /** The connection's metadata, as JSON text. */
  readonly metadata?: string | undefined;
  /** The metadata that was replaced, as JSON text. */
  readonly replaced?: string | undefined;
}

/** Publishes the presence changes of one partition of users. */
export class PresenceFeed {
  readonly #channel: Channel;
  readonly #channels: ChannelTable;
  readonly #now: () => number;
  #version = 0;

  constructor(partition: number, channels: ChannelTable, now: () => number) {
    this.#channel = { kind: "presence", name: String(partition) };
    this.#channels = channels;
    this.#now = now;
  }

  /** The version of the latest change; 0 if there was none. */
  get version(): number {
    return this.#version;
  }

  announce({ kind, userId, connectionId, metadata, replaced }: PresenceNews): void {
    const previous = this.#version;
    const nowMs = this.#now();
    this.#version = nextVersion(previous, nowMs);
    const fields = {
      kind,
      user: userId,
      connection: connectionId,
      version: this.#version,
      previous,
      at: Math.floor(nowMs),
    };
    this.#channels.publish(this.#channel, encodeUtf8(changeText(fields, metadata, replaced)));
  }
}
