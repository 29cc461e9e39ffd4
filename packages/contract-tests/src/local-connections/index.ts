// The suite
export { describeLocalConnections } from "./local-connections.js";

// The types that the suite takes
export type {
  LocalConnectionsHarness,
  LocalConnectionsLimits,
  StartLocalConnections,
} from "./local-connections.js";
