import { expect, it } from "vitest";
import { runChaos } from "./chaos-run.js";
import type { Topology } from "./chaos-world.js";

const TOPOLOGIES: readonly Topology[] = ["single", "sentinel", "cluster"];

const minutes = Number(process.env.CHAOS_MINUTES ?? "0.2");
const seed = Number(process.env.CHAOS_SEED ?? "7");
const gateways = Number(process.env.CHAOS_GATEWAYS ?? "3");
const roomWindow = process.env.CHAOS_WINDOW_MS ?? "auto";
const topology = TOPOLOGIES.find((each) => each === process.env.CHAOS_TOPOLOGY) ?? "single";

it(`holds its promises through random faults (seed ${seed}, ${topology})`, {
  timeout: minutes * 60_000 + 180_000,
}, async () => {
  const report = process.env.CHAOS_MINUTES === undefined ? () => undefined : (line: string) => console.log(line);
  const result = await runChaos({ minutes, seed, topology, gateways, roomWindow, report });
  report(JSON.stringify(result.faults));
  expect(result.violations).toEqual([]);
  expect(result.delivered).toBeGreaterThan(100);
  expect(Object.keys(result.faults).length).toBeGreaterThan(0);
});
