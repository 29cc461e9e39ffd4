export { createPresence } from "./presence.js";
export type { Presence, PresenceStats } from "./presence.js";
export type { PresenceOptions, PresenceStore } from "./options.js";
export type { RosterMember } from "./roster.js";
export type { PresenceConnection, UserPresence } from "./user-presence.js";
export type { PresenceWatcher, RoomWatcher, Watch } from "./watch.js";
