// The suites
export { describeBus } from "./bus.js";
export { describeHistory } from "./history.js";
export type { BusPart, HistoryPart, PartHarness, PartHarnessParts } from "./part-harness.js";
// What they run on
export { createPartHarness } from "./part-harness.js";
