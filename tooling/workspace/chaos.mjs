import { join } from "node:path";
import { parseArgs } from "node:util";
import { runAsProgram, runInFront } from "./command.mjs";
import { setup } from "./setup.mjs";
import { ROOT, SetupError } from "./workspace.mjs";

const USAGE = `Usage: npm run chaos -- [options]

  --minutes N       how long faults go on (10)
  --seed N          which faults, and in what order (drawn, and said)
  --topology NAME   single, sentinel or cluster (single)
  --gateways N      gateway processes (4)
  --window MS       room windows: auto, or 0 to 100 milliseconds (auto)`;

/** Injects random faults into gateways under load: `npm run chaos -- --minutes 10 --seed 1`. */
await runAsProgram(import.meta.url, async (args) => {
  const options = readOptions(args);
  await setup();
  const env = {
    ...process.env,
    TRIALS: "1",
    CHAOS_MINUTES: String(options.minutes),
    CHAOS_SEED: String(options.seed),
    CHAOS_TOPOLOGY: options.topology,
    CHAOS_GATEWAYS: String(options.gateways),
    CHAOS_WINDOW_MS: options.window,
  };
  const test = "tooling/chaos/src/chaos/chaos.redis.test.ts";
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  await runInFront(vitest, ["run", test, "--disable-console-intercept"], { env });
});

function readOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        minutes: { type: "string", default: "10" },
        seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
        topology: { type: "string", default: "single" },
        gateways: { type: "string", default: "4" },
        window: { type: "string", default: "auto" },
      },
    }));
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
  const { topology, window } = values;
  const [minutes, seed, gateways] = [Number(values.minutes), Number(values.seed), Number(values.gateways)];
  const isValid =
    minutes > 0 &&
    minutes <= 600 &&
    Number.isInteger(seed) &&
    Number.isInteger(gateways) &&
    gateways >= 2 &&
    gateways <= 16 &&
    ["single", "sentinel", "cluster"].includes(topology) &&
    (window === "auto" || (/^\d{1,3}$/.test(window) && Number(window) <= 100));
  if (!isValid) throw new SetupError(USAGE);
  return { minutes, seed, topology, gateways, window };
}
