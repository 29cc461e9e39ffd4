import type { LeaseHolder } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { nameOf, Strangers } from "./strangers.js";

const GHOST: LeaseHolder = { serverId: "ghost", incarnation: "aaaa" };
const OTHER: LeaseHolder = { serverId: "other", incarnation: "bbbb" };

/** Strangers, and what a registry that knows only those in `known` was asked. */
function strangersOf(graceMs: number, keepMs: number) {
  const known = new Set<string>();
  const asked: string[][] = [];
  const unknown = async (holders: readonly LeaseHolder[]): Promise<LeaseHolder[]> => {
    asked.push(holders.map(nameOf));
    return holders.filter((holder) => !known.has(nameOf(holder)));
  };
  return { strangers: new Strangers({ servers: { unknown }, graceMs, keepMs }), known, asked };
}

it("takes nobody for dead at the first sight, and whoever stays unknown after the grace", async () => {
  const { strangers, known } = strangersOf(50, 60_000);
  known.add(nameOf(OTHER));
  expect(await strangers.dead([GHOST, OTHER])).toEqual([]);
  await eventually(async () => expect(await strangers.dead([GHOST, OTHER])).toEqual([GHOST]));
});

it("begins anew with whoever was known in between, or where everybody may have been lost", async () => {
  const { strangers, known } = strangersOf(0, 60_000);
  await strangers.dead([GHOST]);
  expect(await strangers.dead([GHOST])).toEqual([GHOST]);
  known.add(nameOf(GHOST));
  await strangers.beat();
  expect(await strangers.dead([GHOST])).toEqual([]);
  known.clear();
  const patient = strangersOf(60_000, 60_000);
  await patient.strangers.dead([GHOST]);
  patient.strangers.forget();
  await patient.strangers.beat();
  // Of nobody it had to ask.
  expect(patient.asked).toEqual([["ghost.aaaa"]]);
});

it("keeps in mind only those of whom something is still found, and no more than some", async () => {
  const { strangers, asked } = strangersOf(60_000, 50);
  await strangers.dead([GHOST]);
  await strangers.dead(Array.from({ length: 1_500 }, (_, i) => ({ serverId: `s${i}`, incarnation: "aaaa" })));
  await strangers.beat();
  expect(asked.at(-1)?.length).toBeLessThanOrEqual(1_000);
  await eventually(async () => {
    await strangers.dead([GHOST]);
    await strangers.beat();
    expect(asked.at(-1)).toEqual(["ghost.aaaa"]);
  });
});
