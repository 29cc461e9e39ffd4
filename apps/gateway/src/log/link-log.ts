import type { Link, LinkState } from "@cm/protocol";

/** Time between summaries of repeated changes, in milliseconds. */
const SUMMARY_INTERVAL_MS = 5_000;

/**
 * Maximum number of changes per interval that are logged in full. A break with the recovery after it is four
 * changes.
 */
const FULL_MAX = 8;

/** The part of a logger that is used here. */
interface LinkLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/**
 * Logs one line for each change of the link's state, with the link's counters. After eight changes within five
 * seconds, further changes are counted and summed up in one line with the latest state. Returns a function that
 * stops the logging and logs the changes that have only been counted so far.
 */
export function logLink(link: Link, log: LinkLogger, intervalMs = SUMMARY_INTERVAL_MS): () => void {
  let full = 0;
  let counted = 0;
  let timer: NodeJS.Timeout | undefined;

  const write = (state: LinkState, message: string, more: Readonly<Record<string, unknown>> = {}): void => {
    const { state: _, since: __, ...facts } = link.status();
    log[state === "in-sync" ? "info" : "warn"]({ link: state, ...facts, ...more }, message);
  };
  const sumUp = (): void => {
    if (counted > 0) write(link.state, "the link to the store changed again and again", { changes: counted });
    full = counted = 0;
    timer = undefined;
  };
  const removeListener = link.onState((state) => {
    // The code that closes the link logs that itself.
    if (state === "closed") return;
    timer ??= setTimeout(sumUp, intervalMs).unref();
    if (full < FULL_MAX) {
      full++;
      write(state, "the link to the store changed");
    } else {
      counted++;
    }
  });
  return () => {
    removeListener();
    clearTimeout(timer);
    sumUp();
  };
}
