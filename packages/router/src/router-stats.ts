/** Counters of a router since it was created, and its current numbers. */
export interface RouterStats {
  /** Rooms with local members. */
  readonly rooms: number;
  /** Channels that stay subscribed for a while after their last local member left. */
  readonly idleSubscriptions: number;
  /** Requests that wait for another server's response. */
  readonly pendingAnswers: number;
  /** Messages that arrived over the bus and were passed on, including requests and responses. */
  readonly received: number;
  /** Gaps that were detected. */
  readonly gaps: number;
  /** Messages missing in those gaps. */
  readonly missed: number;
  /** Messages of recoverable rooms that had not arrived and were read from the history. */
  readonly filled: number;
  /** Number of times that a channel was resumed after an interruption, counted for each channel. */
  readonly interruptions: number;
  /** Number of times that nothing was missing on a resumed channel. */
  readonly resumedWhole: number;
  /**
   * Number of times that it could not be determined whether something was missing, so that members were
   * notified that messages may be missing.
   */
  readonly resumedUncertain: number;
  /** Messages dropped because they had already arrived. */
  readonly duplicates: number;
  /** Messages dropped because they were malformed, or on the wrong channel. */
  readonly damaged: number;
  /** Messages dropped because this server does not support their version. */
  readonly unknownVersion: number;
  /** Requests refused because this server does not know the operation, for example from a newer server. */
  readonly unknownOperations: number;
  /**
   * Responses dropped because no request was waiting for them any more, or because the request was not sent
   * to their sender.
   */
  readonly lateAnswers: number;
}
