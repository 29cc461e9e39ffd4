/** What a router has counted since it was made, and what it holds now. */
export interface RouterStats {
  /** Rooms with local members. */
  readonly rooms: number;
  /** Channels kept open for a while after their last local member left. */
  readonly idleSubscriptions: number;
  /** Requests that wait for another server's answer. */
  readonly pendingAnswers: number;
  /** Messages that came over the bus and were handed on; requests and answers count too. */
  readonly received: number;
  /** Holes noticed. */
  readonly gaps: number;
  /** Messages in those holes. */
  readonly missed: number;
  /** Messages of recoverable rooms that were taken from the history, since they had not arrived. */
  readonly filled: number;
  /** How often a channel was live again after an interruption, each channel counted. */
  readonly interruptions: number;
  /** How often nothing was missing on such a channel. */
  readonly resumedWhole: number;
  /** How often that could not be told, so that members heard that something may be missing. */
  readonly resumedUncertain: number;
  /** Messages dropped because they had arrived already. */
  readonly duplicates: number;
  /** Messages dropped because they were no messages of this bus, or on the wrong channel. */
  readonly damaged: number;
  /** Messages dropped because their version is not spoken here. */
  readonly unknownVersion: number;
  /** Requests refused because they can't be carried out here: what a newer server asks. */
  readonly unknownOperations: number;
  /** Answers dropped because they were not waited for any more, or asked their sender. */
  readonly lateAnswers: number;
}
