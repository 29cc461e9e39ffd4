import type { GameState } from "../game-session.js";
import type { Lease } from "./server-registry.js";

/** What the store holds about a game, beside its players, who are the room's members. */
export interface SessionRecord {
  /** The game's id, which is also its room's name. */
  readonly id: string;
  readonly state: GameState;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch, of the store's clock. */
  readonly lastActivity: number;
  /** Id of the server that created it. */
  readonly serverInstance: string;
}

/**
 * The records of games. A session is made by the join that asks for one (see
 * `JoinOptions`) and goes with the last member of its room, whoever removes that one; it
 * also runs out by itself after its time to live (2 h by default) without activity.
 * Promises: every call is one round trip; times are the store's own.
 */
export interface SessionDirectory {
  get(gameId: string): Promise<SessionRecord | undefined>;
  /**
   * Moves a session to another state, and counts as activity. Of two that compete, one
   * wins. Fails with `not-found`, or `transition-invalid` (its `details` name both) where
   * the state it is in does not lead there; see `GAME_TRANSITIONS`. Moving to the state
   * that it is in is such a failure too.
   */
  transition(gameId: string, to: GameState): Promise<SessionRecord>;
  /** Counts as activity, which renews the time to live. Whether there is such a session. */
  touch(gameId: string): Promise<boolean>;
  /**
   * Writes records that the store has lost, where it has none and their rooms have
   * members. Refused with `lease-lost` once the lease's time has run out.
   */
  restore(lease: Lease, records: readonly SessionRecord[]): Promise<void>;
  /** Games with a session; costs O(partitions). */
  count(): Promise<number>;
}
