// Version checks of packages and of the runtime
export { OLDEST_NODE, requireFittingRuntime, requireFittingVersion, stampVersion } from "./fitting.js";

// Checks of options that the factories of this workspace use
export {
  LONGEST_DURATION_MS,
  nearestName,
  optionInvalid,
  requireDurationMs,
  requireFunction,
  requireMembers,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "./option-checks.js";
export type { NumberRange } from "./option-checks.js";
