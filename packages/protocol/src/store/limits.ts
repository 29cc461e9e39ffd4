/** Maximum number of users whose states one call reads; see `UserDirectory.states`. */
export const STATES_MAX = 1_000;

/** Maximum number of messages that one call reads from a history; see `History.since`. */
export const HISTORY_LIMIT_MAX = 1_000;

/** Maximum size in bytes of the messages of one slice, unless the first message alone is larger; see `HistorySlice`. */
export const HISTORY_SLICE_MAX_BYTES = 1_048_576;

/** Maximum number of servers that each list of a `Renewal` contains. */
export const EXPIRED_SERVERS_MAX = 100;

/** Maximum number of silent servers that a `WatchReport` contains. */
export const SILENT_SERVERS_MAX = 100;

/** How long a server is listed as recently gone, in milliseconds; see `ServerRegistry`. */
export const RECENTLY_GONE_MS = 600_000;

/** Maximum number of servers that are listed as recently gone; see `ServerRegistry`. */
export const RECENTLY_GONE_MAX = 1_000;
