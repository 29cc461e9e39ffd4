import type { LapsedServer, RegistrySnapshot, ServerIncarnation } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { UnknownServers } from "./unknown-servers.js";

const GHOST: ServerIncarnation = { serverId: "ghost", incarnation: "aaaa" };
const OTHER: ServerIncarnation = { serverId: "other", incarnation: "bbbb" };

/** The snapshot of a registry with these lapsed servers, and no living one. */
function registryOf(...lapsed: readonly LapsedServer[]): RegistrySnapshot {
  return { living: [], lapsed, recentlyGone: [], knownForMs: 0 };
}

function registered(identity: ServerIncarnation): LapsedServer {
  return { ...identity, isRegistered: true };
}

it("presumes a server dead only if it stays unknown for the grace period", async () => {
  const unknownServers = new UnknownServers({ graceMs: 50, keepMs: 60_000 });
  unknownServers.beat(registryOf(registered(OTHER)));
  expect(unknownServers.dead([GHOST, OTHER])).toEqual([]);
  await eventually(() => expect(unknownServers.dead([GHOST, OTHER])).toEqual([GHOST]));
});

it("takes a server for unknown whose registration was lost while its lease was left", () => {
  const unknownServers = new UnknownServers({ graceMs: 0, keepMs: 60_000 });
  unknownServers.beat(registryOf({ ...GHOST, isRegistered: false }, registered(OTHER)));
  expect(unknownServers.dead([GHOST, OTHER])).toEqual([]);
  expect(unknownServers.dead([GHOST, OTHER])).toEqual([GHOST]);
});

it("starts the grace period again for a server that was known in between, or if all may have been lost", () => {
  const unknownServers = new UnknownServers({ graceMs: 0, keepMs: 60_000 });
  unknownServers.dead([GHOST]);
  expect(unknownServers.dead([GHOST])).toEqual([GHOST]);
  unknownServers.beat(registryOf(registered(GHOST)));
  expect(unknownServers.dead([GHOST])).toEqual([]);
  // When the server is unknown again, its grace period begins again.
  unknownServers.beat(registryOf());
  expect(unknownServers.dead([GHOST])).toEqual([]);
  expect(unknownServers.dead([GHOST])).toEqual([GHOST]);
  unknownServers.forget();
  expect(unknownServers.dead([GHOST])).toEqual([]);
});

it("remembers only unknown servers that still have entries, and a bounded number of them", async () => {
  const unknownServers = new UnknownServers({ graceMs: 0, keepMs: 50 });
  const crowd = Array.from({ length: 1_500 }, (_, i) => ({ serverId: `s${i}`, incarnation: "aaaa" }));
  unknownServers.dead([GHOST]);
  unknownServers.dead(crowd);
  expect(unknownServers.dead([GHOST, ...crowd])).toHaveLength(1_000);
  let asked = 0;
  await eventually(() => {
    expect(unknownServers.dead([GHOST])).toEqual([GHOST]);
    unknownServers.beat(registryOf());
    // A forgotten server counts as newly found. Ask for a different server each time, because asking for
    // one also remembers it.
    asked++;
    expect(unknownServers.dead(crowd.slice(asked, asked + 1))).toEqual([]);
  });
  expect(asked).toBeLessThan(999);
});
