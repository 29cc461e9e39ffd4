import type { EnteredRoom } from "@cm/protocol";
import { SmallSet } from "@cm/protocol/sets";

/** A connection of this server, as known by this server, its owner. */
export interface OwnedConnection {
  readonly connectionId: string;
  readonly userId: string;
  /** When the connection was opened, in milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** The rooms that the connection is in or joining. Changed only by `OwnedConnections`. */
  rooms: RoomNames;
  /** The connection's metadata as JSON text. */
  metadata: string | undefined;
  /** Time in milliseconds that the user stays online after this connection is closed, if it was the user's last one. */
  graceMs: number;
  /** Whether the store has acknowledged the connection with its current metadata, so that watchers were notified. */
  isAnnounced: boolean;
  /**
   * Joins that the store or the bus has not acknowledged yet; `undefined` if there are none. Their rooms are already
   * in `rooms`.
   */
  joining: Map<string, Promise<EnteredRoom | undefined>> | undefined;
}

/** The names of a connection's rooms. */
export type RoomNames = Pick<SmallSet<string>, "size" | "has" | typeof Symbol.iterator>;

/** The rooms of a connection that is in none: one object for all such connections. */
export const NO_ROOMS: RoomNames = new SmallSet<string>();
