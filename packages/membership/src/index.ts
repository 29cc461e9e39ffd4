export type { CloseOptions, JoinRoomOptions, Membership, MembershipStats, NewConnection } from "./membership.js";
export { createMembership } from "./leased-membership.js";
export type { MembershipOptions, MembershipStore } from "./options.js";
export type { DriftKind, DriftReport, DriftCounts, DriftStats } from "./reconcile/drift-report.js";
