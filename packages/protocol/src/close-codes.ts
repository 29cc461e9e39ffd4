/**
 * The WebSocket close codes of this project, in the private range 4000 to 4999.
 *
 * - 4000 to 4199: what the client did or is. Coming back unchanged meets the same end.
 * - 4200 to 4399: what the server or the network did. Come back, with back-off and jitter.
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
  // Not among the client's faults: a stall of either side causes it as well..
  "hello-timeout": 4206,
} as const;

/** Why a connection was closed by the server. */
export type CloseReason = keyof typeof CLOSE_CODES;

/**
 * Whether a client should try again after this close code. Codes outside of this
 * project's range follow RFC 6455: 1006 (also seen when an overloaded socket was
 * cut), 1001, 1011, 1012 and 1013 are worth another try.
 */
export function mayReconnect(code: number): boolean {
  if (code >= 4000 && code <= 4199) return false;
  if (code >= 4200 && code <= 4399) return true;
  return code === 1001 || code === 1006 || code === 1011 || code === 1012 || code === 1013;
}
