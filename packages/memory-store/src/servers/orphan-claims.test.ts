import { expect, it } from "vitest";
import { OrphanClaims } from "./orphan-claims.js";

it("keeps the claims on at most 1,000 orphans, and forgets the one claimed least recently", () => {
  const claims = new OrphanClaims(() => 0);
  const orphans = Array.from({ length: 1_001 }, (_, i) => ({ serverId: `gw-${i}`, incarnation: "aaaa" }));
  for (const orphan of orphans.slice(0, 1_000)) claims.add(orphan, 1_000);
  // The first one is claimed again, so the second one is the oldest.
  for (const orphan of [...orphans.slice(0, 1), ...orphans.slice(1_000)]) claims.add(orphan, 1_000);
  expect(orphans.filter((orphan) => !claims.runs(orphan))).toEqual([{ serverId: "gw-1", incarnation: "aaaa" }]);
});
