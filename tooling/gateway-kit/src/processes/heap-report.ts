import { eventually } from "@cm/test-kit";
import type { GatewayProcess } from "./gateway-process.js";

/**
 * Runs in the gateway before anything else: at SIGUSR2 it collects all garbage and logs
 * how much is left.
 */
const MODULE = `
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
let reports = 0;
process.on("SIGUSR2", () => {
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  process.stdout.write(JSON.stringify({ heapReport: ++reports, heapBytes: heapUsed + external }) + "\\n");
});
`;

/** What a gateway's environment has to have for {@link heapBytes}. */
export const HEAP_REPORTS: Readonly<Record<string, string>> = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(MODULE)}`,
};

/** What a gateway's heap holds, and what its buffers hold beside it, with no garbage in it; in bytes. */
export async function heapBytes(gateway: GatewayProcess): Promise<number> {
  const reports = () => gateway.logs.filter(({ heapReport }) => heapReport !== undefined);
  const before = reports().length;
  gateway.signal("SIGUSR2");
  await eventually(() => {
    if (reports().length === before) throw new Error("The gateway has not reported.");
  });
  return Number(reports().at(-1)?.heapBytes);
}
