// The suites
export { describeBus } from "./bus.js";
export { describeHistory } from "./history.js";
export type { BusPart, HistoryPart, PartHarness, PartHarnessParts } from "./part-harness.js";
// The harness that they take
export { createPartHarness } from "./part-harness.js";
