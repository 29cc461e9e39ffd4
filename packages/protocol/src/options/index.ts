// Version checks of packages and of the runtime
export { OLDEST_NODE, requireFittingRuntime, requireFittingVersion, stampVersion } from "./version-compatibility.js";

// Checks of options that the factories of this workspace use
export {
  LONGEST_DURATION_MS,
  notBytes,
  notStarted,
  optionInvalid,
  requireDurationMs,
  requireFields,
  requireFlag,
  requireFunction,
  requireMembers,
  requireNotNull,
  requireOptions,
  requirePage,
  requirePrefix,
  requireText,
  requireWholeNumber,
} from "./option-checks.js";
export type { Complete, NumberRange } from "./option-checks.js";
export { nearestName } from "./misspelt-names.js";
export { renaming } from "./option-renaming.js";

// Calls of the application's callbacks
export { callGuarded, guardedCallback } from "./guarded-callback.js";
export { isThenable } from "./thenable.js";
