import type { Link, LinkState } from "@cm/protocol";

/** How often repetitions are summed up. */
const SUMMARY_INTERVAL_MS = 5_000;

/** Changes that are written in full within that time: a break and a recovery take four. */
const FULL_MAX = 8;

/** The part of a logger that is needed here. */
interface LinkLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/**
 * Writes one line for each change of the link's state, with its counters. Where it changes
 * more often than eight times in five seconds, the others are counted and told in one line
 * with the state that they led to. Returns what ends it, and writes down what was only counted.
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
  const takeOff = link.onState((state) => {
    // The caller that closes it logs that itself.
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
    takeOff();
    clearTimeout(timer);
    sumUp();
  };
}
