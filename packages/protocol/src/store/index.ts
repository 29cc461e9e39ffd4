// For those who implement a store: limits that the contracts name
export {
  EXPIRED_SERVERS_MAX,
  HISTORY_LIMIT_MAX,
  HISTORY_SLICE_MAX_BYTES,
  RECENTLY_GONE_MAX,
  RECENTLY_GONE_MS,
  SILENT_SERVERS_MAX,
  STATES_MAX,
} from "./limits.js";

// Checks of arguments
export {
  requireDuration,
  requireDurationOrNone,
  requireHistoryLimit,
  requirePartition,
  requireStatesCount,
} from "./checks.js";

// Errors that all stores have in common
export {
  alreadySubscribed,
  cursorInvalid,
  foreignConnection,
  leaseLost,
  recordMissing,
  serverIdExpired,
  serverIdTaken,
  storeClosed,
  tooManyConnections,
} from "./errors.js";
