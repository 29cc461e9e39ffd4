/** Exit codes of the program; those from 64 on are from BSD's sysexits.h. */
export const EXIT = {
  /** Closed on request. */
  ok: 0,
  fault: 1,
  /** EX_USAGE: unknown arguments. */
  usage: 64,
  /** EX_CONFIG: an invalid configuration. */
  config: 78,
} as const;
