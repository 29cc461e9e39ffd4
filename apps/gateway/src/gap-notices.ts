import { CmError, type OnError } from "@cm/protocol";
import type { Gap } from "@cm/router";

/**
 * Minimum time between two notices in a room, in milliseconds. Each notice makes members reload the room's
 * state.
 */
const PAUSE_MS = 1_000;

/**
 * Reports gaps in rooms: the first gap of a room at once, the gaps of the following second together at the end
 * of that second. The reported number of missed messages is the sum, or `undefined` if one of the numbers is
 * unknown.
 */
export class GapNotices {
  readonly #notify: (room: string, missed: number | undefined) => void;
  /**
   * The rooms with a notice within the last second, each with the notice that is due at the end of that second,
   * if any.
   */
  readonly #recent = new Map<string, { next: { readonly missed: number | undefined } | undefined }>();

  constructor(notify: (room: string, missed: number | undefined) => void) {
    this.#notify = notify;
  }

  add(room: string, known: Gap["known"]): void {
    const recent = this.#recent.get(room);
    if (recent === undefined) {
      this.#begin(room, known?.missed);
      return;
    }
    const before = recent.next === undefined ? 0 : recent.next.missed;
    recent.next = { missed: before === undefined || known === undefined ? undefined : before + known.missed };
  }

  #begin(room: string, missed: number | undefined): void {
    const recent: { next: { readonly missed: number | undefined } | undefined } = { next: undefined };
    this.#recent.set(room, recent);
    const end = (): void => {
      this.#recent.delete(room);
      if (recent.next !== undefined) this.#begin(room, recent.next.missed);
    };
    setTimeout(end, PAUSE_MS).unref();
    this.#notify(room, missed);
  }
}

/** Creates a handler that reports messages lost between servers to `onError` and to the members of the room. */
export function createGapHandler(
  notify: (room: string, missed: number | undefined) => void,
  onError: OnError,
): (gap: Gap) => void {
  const notices = new GapNotices(notify);
  return ({ room, known }) => {
    if (known !== undefined) {
      const details = { room, ...known };
      onError(new CmError("unavailable", "Messages were lost between servers.", { details }), { stage: "delivery" });
    }
    if (room !== undefined) notices.add(room, known);
  };
}
