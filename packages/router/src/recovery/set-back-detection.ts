import { setTimeout as sleep } from "node:timers/promises";
import type { History, StampedDraft } from "@cm/protocol";
import type { Acknowledged, AcknowledgedPositions } from "./acknowledged-positions.js";
import { FURTHEST, type OrderedMessage } from "./ordered-message.js";

/** Options of {@link SetBackDetection}. */
export interface SetBackDetectionOptions {
  /** The histories, which limit the number of concurrent reads themselves. */
  readonly history: History;
  readonly positions: AcknowledgedPositions;
  /** Creates the notice that is published when a new epoch of the room begins. */
  readonly noticeOf: (room: string) => StampedDraft;
  /** Decodes a stored message. Returns `undefined` if the message is damaged. */
  readonly read: (room: string, message: Uint8Array) => Pick<OrderedMessage, "id"> | undefined;
  /**
   * Called if this server published to more rooms than `positions` can hold. The others can't be compared with their
   * histories, so members of any room may have missed messages.
   */
  readonly onIncomplete: () => void;
}

/** Number of rooms compared concurrently. */
const COMPARED_AT_ONCE = 16;

/**
 * Pause between two passes, in milliseconds. A link that breaks repeatedly is proven to work again just as often,
 * and each proof requests a pass.
 */
const PASS_PAUSE_MS = 1_000;

/**
 * Maximum pause before a failed comparison is repeated, in milliseconds. The pause doubles after each
 * failure.
 */
const RETRY_MAX_MS = 30_000;

/** Number of stored messages searched for a message that was acknowledged under the offset of a later one. */
const LOOK_BACK = 200;

/**
 * Compares the positions that histories acknowledged to this server with the contents of the histories, each
 * time the link is proven to work again. A lagging replica may have taken over that lacks messages that were
 * acknowledged but that no server has received. In that case a new epoch begins, which notifies all members.
 */
export class SetBackDetection {
  readonly #options: SetBackDetectionOptions;
  readonly #stop = new AbortController();
  #isRunning = false;
  #isAskedAgain = false;

  constructor(options: SetBackDetectionOptions) {
    this.#options = options;
  }

  /** Called when the link is proven to work again after an interruption. */
  proven(): void {
    this.#isAskedAgain = true;
    if (!this.#isRunning) void this.#run();
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let failed: readonly string[] = [];
    let pauseMs = PASS_PAUSE_MS;
    while (!this.#stop.signal.aborted && (this.#isAskedAgain || failed.length > 0)) {
      if (this.#isAskedAgain) {
        this.#isAskedAgain = false;
        pauseMs = PASS_PAUSE_MS;
        if (this.#options.positions.isIncomplete) this.#options.onIncomplete();
        failed = await this.#pass([...this.#options.positions.rooms()]);
      } else {
        failed = await this.#pass(failed);
        pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
      }
      await sleep(pauseMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
    }
    this.#isRunning = false;
  }

  /** Compares the rooms. Resolves with those that could not be compared. */
  async #pass(rooms: readonly string[]): Promise<string[]> {
    const failed: string[] = [];
    const left = rooms.values();
    const work = async (): Promise<void> => {
      for (const room of left) {
        if (this.#stop.signal.aborted) return;
        const acknowledged = this.#options.positions.get(room);
        if (acknowledged === undefined) continue;
        // The store reports its failures itself.
        await this.#compare(room, acknowledged).catch(() => failed.push(room));
      }
    };
    await Promise.all(Array.from({ length: COMPARED_AT_ONCE }, work));
    return failed;
  }

  async #compare(room: string, { at, id, formerEpoch }: Acknowledged): Promise<void> {
    const { history, noticeOf } = this.#options;
    const { top, former, entries } = await history.since(room, { ...at, offset: at.offset - 1 }, 1);
    const restart = (epoch: number, offset: number) => history.restart(room, { epoch, offset }, noticeOf(room));
    if (top.epoch !== at.epoch) {
      // The history was set back to a state before this epoch began: other servers may never have received this
      // epoch.
      if (top.epoch === formerEpoch) await restart(top.epoch, FURTHEST);
      // The server that began the current epoch knew a lower offset than the one acknowledged to this
      // server.
      else if (former?.epoch === at.epoch && former.offset < at.offset) await restart(at.epoch, at.offset);
    } else if (top.offset < at.offset) {
      await restart(at.epoch, at.offset);
    } else if (this.#holdsOther(room, entries, id) && (await this.#lacks(room, at, id))) {
      await restart(at.epoch, FURTHEST);
    }
  }

  /** Whether the first entry is another message; `false` if there is no entry, or it is damaged. */
  #holdsOther(room: string, entries: readonly { readonly message: Uint8Array }[], id: number): boolean {
    const stored = entries[0] === undefined ? undefined : this.#options.read(room, entries[0].message);
    return stored !== undefined && stored.id !== id;
  }

  /**
   * Whether the message is not stored at any of the last offsets. The response to a publish that was sent
   * twice may contain a later offset than that of the message.
   */
  async #lacks(room: string, { epoch, offset }: Acknowledged["at"], id: number): Promise<boolean> {
    const from = Math.max(0, offset - LOOK_BACK);
    const { top, complete, entries } = await this.#options.history.since(room, { epoch, offset: from }, offset - from);
    // Expired entries cannot be compared. They were kept for as long as the history guarantees.
    if (top.epoch !== epoch || !complete || (entries.at(-1)?.offset ?? 0) < offset) return false;
    return entries.every(({ message }) => this.#options.read(room, message)?.id !== id);
  }
}
