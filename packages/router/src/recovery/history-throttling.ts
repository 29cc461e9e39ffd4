import type { History } from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";

/**
 * Maximum number of concurrent reads. Thousands of rooms may be interrupted at once, and one response may be
 * a megabyte.
 */
const READS_AT_ONCE = 16;

/**
 * Wraps a history so that the number of concurrent reads of messages is limited: filling many rooms does not delay
 * other calls. Reads of only the current position are not limited.
 */
export function throttledHistory(history: History): History {
  const semaphore = new Semaphore(READS_AT_ONCE);
  return {
    link: history.link,
    append: (room, draft) => history.append(room, draft),
    since: (room, from, limit) =>
      from === undefined ? history.since(room) : semaphore.run(() => history.since(room, from, limit)),
    restart: (room, reached, notice) => history.restart(room, reached, notice),
  };
}
