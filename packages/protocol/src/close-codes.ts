/**
 * The WebSocket close codes of this project, in the private range 4000 to 4999.
 *
 * - 4000 to 4199: caused by the client. Reconnecting without a change leads to the same close code.
 * - 4200 to 4399: caused by the server or the network. The client should reconnect, with back-off and
 *   jitter.
 */
export const CLOSE_CODES = {
  "protocol-error": 4000,
  unauthorized: 4001,
  "version-unsupported": 4002,
  terminated: 4004,
  "connections-limit": 4005,
  "slow-consumer": 4200,
  "going-away": 4201,
  stale: 4202,
  overloaded: 4203,
  unavailable: 4204,
  internal: 4205,
  // Not in the range 4000 to 4199, because a stall of the server or the network also leads to this timeout.
  "hello-timeout": 4206,
} as const;

/** The reason why the server closed a connection. */
export type CloseReason = keyof typeof CLOSE_CODES;

/**
 * Whether a client should reconnect after this close code. Of the codes outside of 4000 to 4399, only 1001,
 * 1006 (which a client also sees when the server cuts the socket of a slow consumer), 1011, 1012 and 1013 are
 * worth another attempt.
 */
export function mayReconnect(code: number): boolean {
  if (code >= 4000 && code <= 4199) return false;
  if (code >= 4200 && code <= 4399) return true;
  return code === 1001 || code === 1006 || code === 1011 || code === 1012 || code === 1013;
}
