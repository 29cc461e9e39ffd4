// The suite
export { describeLocalConnections } from "./local-connections.js";

// What it runs on
export type {
  LocalConnectionsHarness,
  LocalConnectionsLimits,
  StartLocalConnections,
} from "./local-connections.js";
