/**
 * The state of the link, determined by what works now and not by what was last reported.
 *
 * - `connecting`: not usable yet
 * - `resubscribing`: commands work; subscriptions that were live are being restored, or no message has
 *   arrived over them yet
 * - `in-sync`: commands work, every acknowledged subscription is live, and a published message has arrived,
 *   which shows that the bus publishes to the same database that histories are read from
 * - `degraded`: commands work and subscriptions are acknowledged, but proof that messages arrive is overdue;
 *   or the store rejects new subscriptions repeatedly; or a part of the store cannot be reached while the
 *   rest works
 * - `down`: commands fail
 * - `closed`: the store was closed
 *
 * A new subscription that is still being made does not change the state, because its subscriber has not been
 * notified yet that it is live.
 */
export type LinkState = "connecting" | "resubscribing" | "in-sync" | "degraded" | "down" | "closed";

/** The link at one moment. Counters start at 0 when the store is created and never decrease. */
export interface LinkStatus {
  /** The state of the link at that moment. */
  readonly state: LinkState;
  /** When the link entered this state, in milliseconds since the Unix epoch. */
  readonly since: number;
  /**
   * Time since it was last proven that published messages arrive, in milliseconds. With several
   * connections, the longest of their times. `undefined` if one of them has no proof yet.
   */
  readonly lastProbeMs: number | undefined;
  /** Number of connections that were re-established after they had been lost. */
  readonly reconnects: number;
  /** Number of subscriptions that were restored. */
  readonly resubscriptions: number;
  /** Number of subscriber connections that were replaced because nothing arrived over them. */
  readonly replacedSubscribers: number;
  /** Number of commands that got no reply before their deadline. */
  readonly timedOutCommands: number;
  /** Number of commands that were rejected because too many were waiting already. */
  readonly refusedCommands: number;
}

/** The state of the link between a process and its store. */
export interface Link {
  /** The state of the link now. */
  readonly state: LinkState;
  /** The link's state with its counters. */
  status(): LinkStatus;
  /**
   * Calls the listener once for each state change, in the order of the changes, even if a listener
   * causes the next change. Returns a function that removes the listener. The listener must not throw; if it
   * does, the other listeners are called all the same.
   */
  onState(listener: (state: LinkState) => void): () => void;
}
