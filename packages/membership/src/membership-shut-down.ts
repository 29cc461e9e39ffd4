import { CmError } from "@cm/protocol";

/** Creates the error of a call after the membership was shut down. */
export function membershipShutDown(): CmError {
  return new CmError("closed", "The membership was shut down.");
}
