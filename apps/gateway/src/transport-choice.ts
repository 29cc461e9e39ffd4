import { createRequire } from "node:module";
import type { Transport } from "./config/gateway-config.js";

const NATIVE = "uWebSockets.js";

/** What a gateway that was left the choice says when it does without native code. */
export const WITHOUT_NATIVE =
  `${NATIVE} is not installed; serving on ws, in one process. For native fan-out and WORKERS: ` +
  `npm install uNetworking/${NATIVE}#v20.57.0`;

/**
 * Which transport `auto` stands for: `ws` where uWebSockets.js is not installed, else `uws`.
 * An installed build that does not load is no reason for `ws`: it fails with
 * `native-load-failed`, since a server that is silently slower is harder to notice. Several
 * processes on one port need `uws` in any case.
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
