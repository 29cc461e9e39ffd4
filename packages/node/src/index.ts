export { createNode } from "./composed-node.js";
export { createFailureWarnings } from "./failure-warnings.js";
export type { DrainOptions, Node, NodePart } from "./node.js";
export type { NodeOptions } from "./options.js";
export type { NodeMembershipOptions, NodePresenceOptions, NodeRouterOptions } from "./part-options.js";
export type { NodePhase, Readiness } from "./readiness.js";
export type { NodeStoreOptions } from "./node-store.js";
