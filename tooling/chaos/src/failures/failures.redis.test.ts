import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Leases, Topology } from "../chaos/chaos-world.js";
import { type FaultFigures, failurePage, type ReapingFigures } from "./failure-modes-page.js";
import { FailureScene } from "./failure-scene.js";
import { MEASURED_FAULTS } from "./measured-faults.js";

const PAGE = fileURLToPath(new URL("../../../../docs/failure-modes.md", import.meta.url));

/** Number of rounds of every fault, set by `npm run failures`. If it is 0, only a few faults are measured, once. */
const rounds = Number(process.env.FAILURE_RUNS ?? "0");
const IN_SHORT = ["a gateway is killed", "all subscribers' connections are killed"];

it(rounds > 0 ? `measures every fault ${rounds} times and writes the page` : "measures faults without a silent loss", {
  timeout: 120_000 + rounds * 240_000,
}, async () => {
  const faults = MEASURED_FAULTS.filter(({ name }) => rounds > 0 || IN_SHORT.includes(name));
  const figures: FaultFigures[] = [];
  for (const topology of ["single", "sentinel", "cluster"] satisfies Topology[]) {
    for (const leases of ["short", "default"] satisfies Leases[]) {
      const due = faults.filter((fault) => fault.topology === topology && (fault.leases ?? "short") === leases);
      if (due.length > 0) figures.push(...(await measure(await FailureScene.start(topology, leases), due)));
    }
  }
  const page = failurePage(figures, measuredAt(), reaping());
  for (const { fault } of figures) expect(page).toContain(`| ${fault.name} |`);
  expect(figures.flatMap(({ fault, rounds: all }) => all.map(({ untold }) => [fault.name, untold]))).toEqual(
    figures.flatMap(({ fault, rounds: all }) => all.map(() => [fault.name, 0])),
  );
  if (rounds > 0) await writeFile(PAGE, page);
});

/** Returns the cost of cleaning up that `npm run failures` measured before, or `undefined` without a measurement. */
function reaping(): ReapingFigures | undefined {
  const text = process.env.FAILURE_REAPING;
  if (text === undefined) return undefined;
  const figures: Record<string, unknown> = JSON.parse(text);
  const figure = (name: keyof ReapingFigures): number => {
    const value = figures[name];
    if (typeof value !== "number") throw new Error(`FAILURE_REAPING has no ${name}.`);
    return value;
  };
  return {
    connections: figure("connections"),
    rooms: figure("rooms"),
    totalMs: figure("totalMs"),
    longestCommandMs: figure("longestCommandMs"),
    pingP99Ms: figure("pingP99Ms"),
  };
}

async function measure(scene: FailureScene, faults: typeof MEASURED_FAULTS): Promise<FaultFigures[]> {
  try {
    const figures: FaultFigures[] = [];
    for (const fault of faults) {
      const done: FaultFigures["rounds"][number][] = [];
      for (let round = 0; round < Math.max(1, rounds); round++) {
        await scene.begin();
        const times = await fault.run(scene);
        const losses = await scene.end();
        done.push({ ...times, ...losses });
        if (rounds > 0) console.log(`${fault.name} ${round + 1}: ${JSON.stringify(done.at(-1))}`);
      }
      figures.push({ fault, rounds: done });
    }
    return figures;
  } finally {
    await scene.close();
  }
}

function measuredAt(): { readonly commit: string; readonly date: string; readonly machine: string } {
  const [cpu] = cpus();
  return {
    commit: execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim(),
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpu?.model.trim() ?? "unknown"}, ${cpus().length} cores, kernel ${release()}, Node ${process.version}`,
  };
}
