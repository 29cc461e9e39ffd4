import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodePositions,
  type RegistrySnapshot,
  type SequencerPosition,
  type ServerOperation,
  type ServerRegistry,
  utf8ByteLength,
} from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import type { ChannelTracker } from "../ordering/sequence-tracker.js";
import type { Answer } from "../requests/pending-requests.js";

/** A channel whose subscription was restored after an interruption. */
export interface ResumedChannel {
  /** The room's name; `undefined` for this server's own channel. */
  readonly name: string | undefined;
  readonly trackers: ChannelTracker;
  /** Time at which the channel was first subscribed, by `performance.now()`. */
  readonly liveSinceMs: number;
  /** Whether this server receives its own messages on the channel. */
  readonly hearsItself: boolean;
}

/** Options of {@link GapDetection}. */
export interface GapDetectionOptions {
  readonly serverId: string;
  readonly servers: Pick<ServerRegistry, "snapshot">;
  readonly ask: (serverId: string, operation: ServerOperation, timeoutMs: number) => Promise<Answer>;
  /** The position of this server's own sequencer for a room. */
  readonly roomPosition: (room: string) => SequencerPosition;
  readonly isOpen: (channel: ResumedChannel) => boolean;
  readonly onMissed: (channel: ResumedChannel, origin: string, missed: number) => void;
  /** Called if messages of any origin may be missing. */
  readonly onUncertain: (channel: ResumedChannel) => void;
  /** Called if nothing is missing. */
  readonly onWhole: (channel: ResumedChannel) => void;
  readonly onFault: (cause: unknown) => void;
}

/** Debounce: wait this long after the last resumed channel, but never longer than GATHER_MAX_MS after the first. */
const QUIET_MS = 50;
const GATHER_MAX_MS = 500;

/**
 * Extra time for a message to arrive: a message and the response with its number may pass through different
 * Redis nodes.
 */
const GRACE_MS = 200;

/**
 * A failed request is repeated for up to ASK_FOR_MS, because the other servers may be disconnected too. The n-th
 * attempt waits n * ATTEMPT_MS for its response, and the next attempt begins after a pause of PAUSE_MS.
 */
const ASK_FOR_MS = 3_000;
const ATTEMPT_MS = 500;
const PAUSE_MS = 100;

/**
 * Maximum number of concurrent requests. Limits the load on Redis if all servers, each with many rooms, were
 * interrupted at once.
 */
const ASKED_AT_ONCE = 8;

/**
 * Limits for the rooms of one request, which keep request and response below their size limits; a response
 * has 14 bytes for each room.
 */
const ROOMS_MAX = 4_000;
const ROOM_BYTES_MAX = 60_000;

/**
 * Allowance for clock drift between Redis and this process, as a fraction; more than the drift of
 * NTP-synchronised clocks.
 */
const CLOCK_DRIFT = 0.001;

/**
 * If a snapshot takes longer than PROMPT_MS, the time to which it belongs is uncertain, so the registry is
 * read again, at most SNAPSHOTS_MAX times in all.
 */
const PROMPT_MS = 20;
const SNAPSHOTS_MAX = 3;

/** A snapshot of the registry with its time of arrival. */
interface TimedSnapshot {
  readonly snapshot: RegistrySnapshot;
  readonly answeredAtMs: number;
  readonly tookMs: number;
}

/** The positions of a server's sequencers, and the time when they were requested. */
interface ReportedPositions {
  readonly askedAtMs: number;
  readonly own: SequencerPosition;
  readonly rooms: ReadonlyMap<string, SequencerPosition>;
}

/** The other servers that may have published during the interruptions. */
interface Publishers {
  /** Servers that may be alive. */
  readonly present: ReadonlySet<string>;
  /**
   * Whether the list is reliable. If this server itself is not in the registry, the registry was lost or is
   * being rebuilt.
   */
  readonly isComplete: boolean;
  /** Whether a server may have left the cluster since this time on the monotonic clock. */
  readonly mayHaveLost: (sinceMs: number) => boolean;
}

/**
 * Detects gaps after interrupted subscriptions: requests the sequencer positions of every other server, once
 * for all channels, and compares them with this server's sequence trackers.
 */
export class GapDetection {
  readonly #options: GapDetectionOptions;
  readonly #stop = new AbortController();
  readonly #semaphore = new Semaphore(ASKED_AT_ONCE);
  /** Resumed channels, each with the time since which it may have missed messages. */
  #gathered = new Map<ResumedChannel, number>();
  #gatheringSince = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Channels that are being gathered or compared, with the number of rounds that each is part of. */
  readonly #open = new Map<ResumedChannel, number>();

  constructor(options: GapDetectionOptions) {
    this.#options = options;
    // Each server that is waited for adds one listener and removes it again, so there can be as many
    // listeners as servers.
    setMaxListeners(0, this.#stop.signal);
  }

  /**
   * Called when a channel is resumed. `sinceMs` is the time since the channel last provably received
   * everything; see `ResumeHandler`.
   */
  resumed(channel: ResumedChannel, sinceMs: number): void {
    if (this.#stop.signal.aborted) return;
    if (!this.#gathered.has(channel)) {
      // Separate the numbers that arrived before the interruption from later ones, which may follow a gap.
      if (!this.#open.has(channel)) channel.trackers.markReported();
      this.#open.set(channel, (this.#open.get(channel) ?? 0) + 1);
      if (this.#gathered.size === 0) this.#gatheringSince = performance.now();
      // The channel could not miss anything before its first subscription.
      this.#gathered.set(channel, Math.max(performance.now() - sinceMs, channel.liveSinceMs));
    }
    clearTimeout(this.#timer);
    const leftMs = this.#gatheringSince + GATHER_MAX_MS - performance.now();
    this.#timer = setTimeout(() => void this.#round(), Math.max(0, Math.min(QUIET_MS, leftMs)));
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#gathered.clear();
    this.#open.clear();
  }

  async #round(): Promise<void> {
    const gathered = this.#gathered;
    const channels = [...gathered.keys()];
    this.#gathered = new Map();
    try {
      await this.#compare(channels, gathered);
    } catch (error) {
      // After `close`, the error only says that the comparison was aborted.
      if (!this.#stop.signal.aborted) this.#options.onFault(error);
    } finally {
      for (const channel of channels) {
        const rounds = (this.#open.get(channel) ?? 1) - 1;
        if (rounds === 0) this.#open.delete(channel);
        else this.#open.set(channel, rounds);
      }
    }
  }

  async #compare(
    channels: readonly ResumedChannel[],
    interruptedAt: ReadonlyMap<ResumedChannel, number>,
  ): Promise<void> {
    const { serverId } = this.#options;
    const names = channels.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const own = this.#ownPositions(names);
    const giveUpAtMs = performance.now() + ASK_FOR_MS;
    const publishers = await this.#publishers(giveUpAtMs);
    const { present, isComplete } = publishers;
    const asked = new Set(present);
    for (const { trackers } of channels) for (const origin of trackers.origins()) asked.add(origin);
    asked.delete(serverId);

    const reported = new Set<ResumedChannel>();
    // A server that is gone cannot be asked, and may have published in any room.
    const mayHaveLost = (channel: ResumedChannel): boolean =>
      publishers.mayHaveLost(interruptedAt.get(channel) ?? Number.NEGATIVE_INFINITY);
    const uncertain = new Set<ResumedChannel>(isComplete ? channels.filter(mayHaveLost) : channels);
    const conclude = async (
      origin: string,
      positions: ReportedPositions,
      of: readonly ResumedChannel[],
    ): Promise<void> => {
      await this.#grace(origin, positions, of);
      for (const channel of of) {
        const missed = this.#conclude(channel, origin, positions);
        if (missed === undefined) uncertain.add(channel);
        else if (missed > 0) reported.add(channel);
      }
    };
    await Promise.all([
      conclude(
        serverId,
        own,
        channels.filter(({ hearsItself }) => hearsItself),
      ),
      ...[...asked].map(async (origin) => {
        const isPresent = present.has(origin);
        const positions = await this.#positionsOf(origin, names, isPresent || !isComplete, giveUpAtMs);
        if (positions !== undefined) {
          await conclude(origin, positions, channels);
          return;
        }
        for (const channel of channels) {
          if (isPresent || channel.trackers.get(origin) !== undefined) uncertain.add(channel);
          // A server that is gone sends nothing more and is not asked again.
          if (!isPresent && isComplete) channel.trackers.forget(origin);
        }
      }),
    ]);
    for (const channel of channels) {
      if (this.#stop.signal.aborted || !this.#options.isOpen(channel)) continue;
      if (uncertain.has(channel)) this.#options.onUncertain(channel);
      else if (!reported.has(channel)) this.#options.onWhole(channel);
    }
  }

  /** Waits if messages seem to be missing, because they may still be in flight. */
  async #grace(origin: string, reported: ReportedPositions, channels: readonly ResumedChannel[]): Promise<void> {
    const seemsMissing = channels.some((channel) => missingOn(channel, origin, reported) !== 0);
    if (seemsMissing) await sleep(GRACE_MS, undefined, { signal: this.#stop.signal });
  }

  #conclude(channel: ResumedChannel, origin: string, reported: ReportedPositions): number | undefined {
    const missed = missingOn(channel, origin, reported);
    const position = positionOn(channel, reported);
    const { name, trackers } = channel;
    const tracker =
      trackers.get(origin) ??
      (position.sequence === 0
        ? undefined
        : trackers.of(
            name === undefined
              ? { kind: "server", origin, target: this.#options.serverId }
              : { kind: "room", origin, target: name },
          ));
    tracker?.catchUp(position);
    if (missed !== undefined && missed > 0 && this.#options.isOpen(channel)) {
      this.#options.onMissed(channel, origin, missed);
    }
    return missed;
  }

  #ownPositions(names: readonly string[]): ReportedPositions {
    const { roomPosition } = this.#options;
    const askedAtMs = performance.now();
    const rooms = new Map(names.map((name) => [name, roomPosition(name)] as const));
    return { askedAtMs, own: { epoch: 0, sequence: 0, ageMs: 0 }, rooms };
  }

  async #publishers(giveUpAtMs: number): Promise<Publishers> {
    const { servers, serverId } = this.#options;
    let best: TimedSnapshot | undefined;
    for (let tries = 1; ; tries++) {
      const askedAtMs = performance.now();
      try {
        const snapshot = await servers.snapshot({ idsOnly: true });
        const answeredAtMs = performance.now();
        const timed = { snapshot, answeredAtMs, tookMs: answeredAtMs - askedAtMs };
        if (best === undefined || timed.tookMs < best.tookMs) best = timed;
        // A slow request may have waited for the link. Read again, because the time of the next snapshot may be
        // more exact.
        if (best.tookMs <= PROMPT_MS || tries >= SNAPSHOTS_MAX) break;
      } catch {
        // The store reports its failures itself.
        if (best !== undefined) break;
        if (performance.now() >= giveUpAtMs) {
          return { present: new Set(), isComplete: false, mayHaveLost: () => true };
        }
        await sleep(PAUSE_MS, undefined, { signal: this.#stop.signal });
      }
    }
    const { snapshot, answeredAtMs } = best;
    const present = new Set([...snapshot.living, ...snapshot.lapsed].map((server) => server.serverId));
    // These times may be too late, because the response took time to arrive, but never too early.
    const wentAtMs = answeredAtMs - Math.min(...snapshot.recentlyGone.map(({ agoMs }) => agoMs));
    const knownFromMs = answeredAtMs - snapshot.knownForMs;
    return {
      isComplete: present.delete(serverId),
      present,
      mayHaveLost: (sinceMs) => knownFromMs > sinceMs || wentAtMs >= sinceMs - CLOCK_DRIFT * (answeredAtMs - sinceMs),
    };
  }

  /**
   * Requests the positions of a server's sequencers. Resolves with `undefined` if the server does not
   * respond.
   */
  async #positionsOf(
    serverId: string,
    names: readonly string[],
    isPresent: boolean,
    giveUpAtMs: number,
  ): Promise<ReportedPositions | undefined> {
    const rooms = new Map<string, SequencerPosition>();
    let askedAtMs = Number.POSITIVE_INFINITY;
    let own: SequencerPosition | undefined;
    for (const batch of batches(names)) {
      const answer = await this.#askUntil(serverId, batch, isPresent, giveUpAtMs);
      if (answer === undefined) return undefined;
      askedAtMs = Math.min(askedAtMs, answer.askedAtMs);
      const [ofChannel, ...ofRooms] = answer.positions;
      own ??= ofChannel;
      batch.forEach((name, i) => {
        const position = ofRooms[i];
        if (position !== undefined) rooms.set(name, position);
      });
    }
    return own === undefined ? undefined : { askedAtMs, own, rooms };
  }

  async #askUntil(serverId: string, rooms: readonly string[], isPresent: boolean, giveUpAtMs: number) {
    for (let attempt = 1; ; attempt++) {
      const { askedAtMs, answer } = await this.#semaphore.run(() =>
        this.#attempt(serverId, rooms, attempt * ATTEMPT_MS, giveUpAtMs),
      );
      if (answer === "given up") return undefined;
      if (answer?.type === "done") {
        const positions = decodePositions(answer.body, rooms.length + 1);
        if (positions.ok) return { askedAtMs, positions: positions.value };
      }
      if (answer?.type === "refused" && answer.code === "operation-unknown") return undefined;
      if (answer?.type === "not-found" && !isPresent) return undefined;
      await sleep(PAUSE_MS, undefined, { signal: this.#stop.signal });
    }
  }

  async #attempt(serverId: string, rooms: readonly string[], atMostMs: number, giveUpAtMs: number) {
    const askedAtMs = performance.now();
    const timeoutMs = Math.min(atMostMs, giveUpAtMs - askedAtMs);
    if (timeoutMs <= 0 || this.#stop.signal.aborted) return { askedAtMs, answer: "given up" } as const;
    try {
      return { askedAtMs, answer: await this.#options.ask(serverId, { type: "positions", rooms }, timeoutMs) };
    } catch {
      // The request was not sent, because the bus is down again or too many requests wait. The next attempt repeats it.
      return { askedAtMs, answer: undefined };
    }
  }
}

function positionOn({ name }: ResumedChannel, reported: ReportedPositions): SequencerPosition {
  return (name === undefined ? reported.own : reported.rooms.get(name)) ?? { epoch: 0, sequence: 0, ageMs: 0 };
}

function missingOn(channel: ResumedChannel, origin: string, reported: ReportedPositions): number | undefined {
  const { epoch, sequence, ageMs } = positionOn(channel, reported);
  const isWhole = ageMs <= reported.askedAtMs - channel.liveSinceMs;
  const tracker = channel.trackers.get(origin);
  if (tracker !== undefined) return tracker.missing({ epoch, sequence, isWhole });
  return sequence === 0 ? 0 : isWhole ? sequence : undefined;
}

/**
 * Splits room names into batches. Returns at least one batch, even if it is empty, because each request also asks
 * for the position on the asking server's own channel.
 */
function batches(names: readonly string[]): string[][] {
  const made: string[][] = [[]];
  let bytes = 0;
  for (const name of names) {
    const size = utf8ByteLength(name) + 1;
    let last = made[made.length - 1] ?? [];
    if (last.length >= ROOMS_MAX || bytes + size > ROOM_BYTES_MAX) {
      last = [];
      made.push(last);
      bytes = 0;
    }
    last.push(name);
    bytes += size;
  }
  return made;
}
