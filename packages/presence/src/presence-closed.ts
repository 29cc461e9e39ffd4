import { CmError } from "@cm/protocol";

/** Creates the error of a call after the presence was closed. */
export function presenceClosed(): CmError {
  return new CmError("closed", "Presence was closed.");
}
