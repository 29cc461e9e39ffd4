export type { Membership, MembershipStats } from "./membership.js";
export { createMembership } from "./membership.js";
export type { MembershipOptions, MembershipStore } from "./options.js";
