/**
 * How the link is, judged by what works and not by what was last said.
 *
 * - `connecting`: not usable yet
 * - `resubscribing`: commands work, subscriptions that were live are being restored, or
 *   nothing was heard over them yet
 * - `in-sync`: commands work, every subscription that was promised is live, and messages
 *   were seen to come through: what the bus publishes now goes where histories are read
 * - `degraded`: commands work and subscriptions are acknowledged, but proof that messages
 *   come through is late; or the store refuses new subscriptions again and again; or a part
 *   of it can't be reached while the rest works
 * - `down`: commands fail
 * - `closed`
 *
 * A new subscription that is still being made does not change the state: its subscriber was
 * not told yet that it is live.
 */
export type LinkState = "connecting" | "resubscribing" | "in-sync" | "degraded" | "down" | "closed";

/** The link at one moment. Counters begin with the store and never go back. */
export interface LinkStatus {
  readonly state: LinkState;
  /** When it came to this state, in milliseconds since 1970. */
  readonly since: number;
  /**
   * How long ago it was last proven that what is published comes through, in
   * milliseconds; of several connections the longest. `undefined` where one is not
   * proven yet.
   */
  readonly lastProbeMs: number | undefined;
  /** Connections that were made again after they had been lost. */
  readonly reconnects: number;
  /** Subscriptions that were restored. */
  readonly resubscriptions: number;
  /** Subscribers that were replaced because they stayed silent. */
  readonly replacedSubscribers: number;
  /** Commands that got no answer before their deadline. */
  readonly timedOutCommands: number;
  /** Commands that were refused because too many were waiting already. */
  readonly refusedCommands: number;
}

/** The state of the link between a process and its store. */
export interface Link {
  readonly state: LinkState;
  status(): LinkStatus;
  /**
   * Calls the listener once for each change, in the order of the changes, also where a
   * listener brings about the next one; returns a function that takes it off. Must not
   * throw.
   */
  onState(listener: (state: LinkState) => void): () => void;
}
