import { DeliveryChecker } from "../check/delivery-checker.js";
import type { Member, MemberEvents } from "../clients/member.js";
import type { ResolvedLoadOptions } from "../load-options.js";
import type { PayloadStamp } from "../stamped-payload.js";
import { CodeCounts } from "./code-counts.js";
import { InFlightMessages } from "./in-flight-messages.js";
import { LatencyHistogram, type LatencySummary } from "./latency-histogram.js";
import type { DriverFigures, ForfeitedFigures, LoadReport, SteadyFigures } from "./load-report.js";

/** Counts all events of a run. */
export class LoadTally implements MemberEvents {
  readonly errors = new CodeCounts();
  readonly closes = new CodeCounts();
  readonly #options: ResolvedLoadOptions;
  readonly #run: number;
  readonly #checker: DeliveryChecker;
  readonly #latency = new LatencyHistogram();
  readonly #recentLatency = new LatencyHistogram();
  /** `undefined` without a limit of messages in flight. */
  readonly #inFlight: InFlightMessages | undefined;
  #originMs = performance.now();
  /** Number of connected members per room, indexed by room number. */
  readonly #present: Int32Array;
  #joined = 0;
  #everJoined = 0;
  #published = 0;
  #accepted = 0;
  #refused = 0;
  #reportedLosses = 0;
  #foreign = 0;
  #arrivals = 0;
  #latencyFromUs = Number.POSITIVE_INFINITY;
  #ignoreCloses = false;

  constructor(options: ResolvedLoadOptions, run: number) {
    this.#options = options;
    this.#run = run;
    this.#checker = new DeliveryChecker(options);
    this.#present = new Int32Array(options.rooms);
    const { maxInFlight } = options;
    this.#inFlight = maxInFlight === undefined ? undefined : new InFlightMessages(maxInFlight);
  }

  /** Number of members that are in their rooms and connected. */
  get joined(): number {
    return this.#joined;
  }

  /** Number of messages and of responses to publishes that have arrived so far. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** Whether every expected delivery and response has arrived. */
  get isComplete(): boolean {
    return this.#checker.delivered >= this.#checker.expected && this.#unanswered() === 0;
  }

  /** Whether as many messages are in flight as `maxInFlight` allows. */
  get isSaturated(): boolean {
    return this.#inFlight?.isFullAt(performance.now()) ?? false;
  }

  /** Sets the origin of the times in stamps, whose eight digits are enough for 71 minutes of publishing. */
  startClock(): void {
    this.#originMs = performance.now();
  }

  /** Microseconds since {@link startClock}. */
  nowUs(): number {
    return this.toUs(performance.now());
  }

  /** Microseconds from {@link startClock} to a time on the clock of `performance.now()`. */
  toUs(timeMs: number): number {
    return Math.trunc((timeMs - this.#originMs) * 1000);
  }

  totals(): { published: number; delivered: number } {
    return { published: this.#published, delivered: this.#checker.delivered };
  }

  /** Makes the latency include the messages that are due from now on. */
  beginLatency(): void {
    this.#latencyFromUs = this.nowUs();
  }

  stopCountingCloses(): void {
    this.#ignoreCloses = true;
  }

  /** Counts a message of the publisher. Must be called before the message is sent. */
  published(publisher: number, sequence: number, room: number): void {
    this.#published++;
    this.#inFlight?.sent(publisher, sequence, performance.now());
    this.#checker.published(publisher, sequence, this.#recipients(room));
  }

  onMessage(member: Member, stamp: PayloadStamp): void {
    this.#arrivals++;
    if (stamp.run !== this.#run) {
      this.#foreign++;
      return;
    }
    if (!this.#checker.received(member.index, stamp.publisher, stamp.sequence)) return;
    if (this.#memberOf(stamp.publisher) === member.index) this.#inFlight?.settled(stamp.publisher, stamp.sequence);
    if (stamp.dueAtUs < this.#latencyFromUs) return;
    const latencyUs = this.nowUs() - stamp.dueAtUs;
    this.#latency.record(latencyUs);
    this.#recentLatency.record(latencyUs);
  }

  onJoined(member: Member): void {
    this.#joined++;
    this.#everJoined++;
    this.#countPresence(member, 1);
  }

  onAccepted(): void {
    this.#arrivals++;
    this.#accepted++;
  }

  onRefused(member: Member, sequence: number, code: string): void {
    this.#arrivals++;
    this.#refused++;
    this.errors.add(code);
    const { members, publishers } = this.#options;
    const room = Math.trunc(member.index / members);
    const publisher = room * publishers + (member.index % members);
    this.#inFlight?.settled(publisher, sequence);
    this.#checker.refused(publisher, sequence);
  }

  onError(_member: Member, code: string): void {
    this.errors.add(code);
  }

  onGap(_member: Member, missed: number): void {
    this.#reportedLosses += missed;
  }

  onClosed(member: Member, code: string): void {
    if (!this.#ignoreCloses) this.closes.add(code);
    if (!member.isJoined) return;
    this.#joined--;
    this.#countPresence(member, -1);
  }

  takeRecentLatency(): LatencySummary {
    const summary = this.#recentLatency.summary();
    this.#recentLatency.reset();
    return summary;
  }

  report(rest: { forfeited: ForfeitedFigures; steady: SteadyFigures; driver: DriverFigures }): LoadReport {
    const { urls, rooms, members, bytes, seed } = this.#options;
    const findings = this.#checker.findings();
    const failed = rooms * members - this.#everJoined;
    const flawless =
      findings.losses + findings.duplicates + findings.roomOrderViolations + findings.publisherOrderViolations === 0 &&
      findings.strays === 0;
    return {
      ok: flawless && failed === 0,
      urls: urls.map(String),
      rooms,
      members,
      bytes,
      seed,
      connections: { joined: this.#everJoined, failed },
      published: this.#published,
      findings,
      acks: { accepted: this.#accepted, refused: this.#refused, unanswered: this.#unanswered() },
      reportedLosses: this.#reportedLosses,
      foreign: this.#foreign,
      latencyMs: this.#latency.summary(),
      errors: this.errors.toRecord(),
      closes: this.closes.toRecord(),
      ...rest,
    };
  }

  #unanswered(): number {
    return this.#options.acks ? this.#published - this.#accepted - this.#refused : 0;
  }

  /** Returns the number of the member that is this publisher: the publishers of a room are its first members. */
  #memberOf(publisher: number): number {
    const { members, publishers } = this.#options;
    return Math.trunc(publisher / publishers) * members + (publisher % publishers);
  }

  #recipients(room: number): number {
    return Math.max(0, (this.#present[room] ?? 0) - (this.#options.echo ? 0 : 1));
  }

  #countPresence(member: Member, change: number): void {
    const room = Math.trunc(member.index / this.#options.members);
    this.#present[room] = (this.#present[room] ?? 0) + change;
  }
}
