import type { ServerIncarnation } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { nameOf, UnknownServers } from "./unknown-servers.js";

const GHOST: ServerIncarnation = { serverId: "ghost", incarnation: "aaaa" };
const OTHER: ServerIncarnation = { serverId: "other", incarnation: "bbbb" };

/** UnknownServers, and what a registry that knows only those in `known` was asked. */
function strangersOf(graceMs: number, keepMs: number) {
  const known = new Set<string>();
  const asked: string[][] = [];
  const unknown = async (incarnations: readonly ServerIncarnation[]): Promise<ServerIncarnation[]> => {
    asked.push(incarnations.map(nameOf));
    return incarnations.filter((identity) => !known.has(nameOf(identity)));
  };
  return { unknownServers: new UnknownServers({ servers: { unknown }, graceMs, keepMs }), known, asked };
}

it("takes nobody for dead at the first sight, and whoever stays unknown after the grace", async () => {
  const { unknownServers, known } = strangersOf(50, 60_000);
  known.add(nameOf(OTHER));
  expect(await unknownServers.dead([GHOST, OTHER])).toEqual([]);
  await eventually(async () => expect(await unknownServers.dead([GHOST, OTHER])).toEqual([GHOST]));
});

it("begins anew with whoever was known in between, or where everybody may have been lost", async () => {
  const { unknownServers, known } = strangersOf(0, 60_000);
  await unknownServers.dead([GHOST]);
  expect(await unknownServers.dead([GHOST])).toEqual([GHOST]);
  known.add(nameOf(GHOST));
  await unknownServers.beat();
  expect(await unknownServers.dead([GHOST])).toEqual([]);
  known.clear();
  const patient = strangersOf(60_000, 60_000);
  await patient.unknownServers.dead([GHOST]);
  patient.unknownServers.forget();
  await patient.unknownServers.beat();
  // The second `beat` had no server to ask about.
  expect(patient.asked).toEqual([["ghost.aaaa"]]);
});

it("keeps in mind only those of whom something is still found, and no more than some", async () => {
  const { unknownServers, asked } = strangersOf(60_000, 50);
  await unknownServers.dead([GHOST]);
  await unknownServers.dead(Array.from({ length: 1_500 }, (_, i) => ({ serverId: `s${i}`, incarnation: "aaaa" })));
  await unknownServers.beat();
  expect(asked.at(-1)?.length).toBeLessThanOrEqual(1_000);
  await eventually(async () => {
    await unknownServers.dead([GHOST]);
    await unknownServers.beat();
    expect(asked.at(-1)).toEqual(["ghost.aaaa"]);
  });
});
