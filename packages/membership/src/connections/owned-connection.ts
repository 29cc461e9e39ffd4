import type { EnteredRoom } from "@cm/protocol";

/** A connection of this server, as known by this server, its owner. */
export interface OwnedConnection {
  readonly connectionId: string;
  readonly userId: string;
  /** When the connection was opened, in milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** The rooms that the connection is in or joining. Changed only by `OwnedConnections`. */
  rooms: ReadonlySet<string>;
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

/** The rooms of a connection that is in none: one object for all such connections. */
export const NO_ROOMS: ReadonlySet<string> = new Set();
