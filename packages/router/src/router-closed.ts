import { CmError } from "@cm/protocol";

/** Creates the error of a call after the router was closed. */
export function routerClosed(): CmError {
  return new CmError("closed", "The router was closed.");
}
