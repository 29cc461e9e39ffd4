import { createRequire } from "node:module";
import type { Transport } from "../config/gateway-config.js";

const NATIVE = "uWebSockets.js";

/** The warning that a gateway logs if it has chosen to run without native code. */
export const WITHOUT_NATIVE =
  `${NATIVE} is not installed; serving on ws, in one process. For native fan-out and WORKERS: ` +
  `npm install uNetworking/${NATIVE}#v20.57.0`;

/**
 * Returns the transport to use: for `auto`, `ws` if uWebSockets.js is not installed, else `uws`. If it is installed
 * but can't be loaded, the start fails with `native-load-failed` instead of falling back to `ws`, because a server
 * that has silently become slower is harder to notice. Several processes on one port always need `uws`.
 */
export function chooseTransport(
  wanted: Transport,
  sharePort: boolean,
  resolve: (id: string) => unknown = createRequire(import.meta.url).resolve,
): Exclude<Transport, "auto"> {
  if (wanted !== "auto") return wanted;
  if (sharePort) return "uws";
  try {
    resolve(NATIVE);
    return "uws";
  } catch {
    return "ws";
  }
}
