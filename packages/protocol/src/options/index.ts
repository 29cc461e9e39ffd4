// Whether packages, and the runtime, fit together
export { OLDEST_NODE, requireFittingRuntime, requireFittingVersion, stampVersion } from "./fitting.js";

// How this workspace's factories check their options
export {
  LONGEST_DURATION_MS,
  notBytes,
  notStarted,
  optionInvalid,
  requireDurationMs,
  requireFields,
  requireFunction,
  requireMembers,
  requireOptions,
  requirePage,
  requirePrefix,
  requireText,
  requireWholeNumber,
} from "./option-checks.js";
export type { Complete, NumberRange } from "./option-checks.js";
export { nearestName } from "./known-names.js";
