// The suites
export { describeBus } from "./bus.js";
export { describeHistory } from "./history.js";
export type { BusPart, PartHarness, PartHarnessParts } from "./part-harness.js";
// The harness that they take
export { createPartHarness } from "./part-harness.js";
