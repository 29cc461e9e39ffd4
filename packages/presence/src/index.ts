export { createPresence } from "./presence.js";
export type { Presence, PresenceStats } from "./presence.js";
export type { PresenceOptions, PresenceStore } from "./options.js";
export type { CompleteReadOptions } from "./complete-reads.js";
export type { RosterMember } from "./rosters/roster-members.js";
export type { PresenceConnection, UserPresence } from "./users/user-presence.js";
export type { PresenceWatcher, RoomWatcher, Watch } from "./watches/live-watch.js";
