import { eventually } from "@cm/test-kit";
import type { GatewayProcess } from "./gateway-process.js";

/**
 * Source of a module that is loaded in the gateway before the gateway's own code: on SIGUSR2 the module
 * collects all garbage and logs how much memory is still used.
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

/** The environment variables that a gateway needs for {@link heapBytes}. */
export const HEAP_REPORTS: Readonly<Record<string, string>> = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(MODULE)}`,
};

/** Size of a gateway's heap and of its buffers outside of the heap, after garbage collection, in bytes. */
export async function heapBytes(gateway: GatewayProcess): Promise<number> {
  const reports = () => gateway.logs.filter(({ heapReport }) => heapReport !== undefined);
  const before = reports().length;
  gateway.signal("SIGUSR2");
  await eventually(() => {
    if (reports().length === before) throw new Error("The gateway has not reported.");
  });
  return Number(reports().at(-1)?.heapBytes);
}
