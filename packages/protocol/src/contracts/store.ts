import type { Bus } from "./bus.js";
import type { ConnectionReaping, ConnectionRegistry } from "./connection-registry.js";
import type { RoomDirectory, RoomUpkeep } from "./room-directory.js";
import type { ServerReaping, ServerRegistry } from "./server-registry.js";
import type { SessionDirectory } from "./session-directory.js";
import type { UserDirectory, UserUpkeep } from "./user-directory.js";

/**
 * How the store is, judged by what works and not by what was last said.
 *
 * - `connecting`: not usable yet
 * - `in-sync`: commands work and every intended subscription is live
 * - `resubscribing`: commands work, subscriptions are being restored
 * - `down`: commands fail
 * - `closed`
 */
export type LinkState = "connecting" | "in-sync" | "resubscribing" | "down" | "closed";

/** The state of the link between a process and its store. */
export interface Link {
  readonly state: LinkState;
  /** Calls the listener at each change; returns a function that takes it off. */
  onState(listener: (state: LinkState) => void): () => void;
}

/** All contracts of one store, over one link. */
export interface Store {
  readonly servers: ServerRegistry & ServerReaping;
  readonly connections: ConnectionRegistry & ConnectionReaping;
  readonly rooms: RoomDirectory & RoomUpkeep;
  readonly users: UserDirectory & UserUpkeep;
  readonly sessions: SessionDirectory;
  readonly bus: Bus;
  readonly link: Link;
  /** Connects and checks the layout. Fails with `unavailable` or `layout-mismatch`. */
  start(): Promise<void>;
  /** Ends what `start` began. Idempotent: every call returns the same promise. */
  close(): Promise<void>;
}
