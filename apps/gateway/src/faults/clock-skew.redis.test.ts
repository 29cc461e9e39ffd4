import { Crowd } from "@cm/gateway-kit/clients/crowd";
import { expectCleanEnd } from "@cm/gateway-kit/invariants/clean-end";
import { expectProjected } from "@cm/gateway-kit/invariants/invariants";
import { watchUsers } from "@cm/gateway-kit/invariants/watched-users";
import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually } from "@cm/test-kit";
import { expect, inject, it } from "vitest";

const HOUR_MS = 3_600_000;

/** Environment that sets a process's wall clock forward by `ms` milliseconds. */
function skewedBy(ms: number): Readonly<Record<string, string>> {
  const module = `const now = Date.now; Date.now = () => now() + ${ms};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` };
}

it("keeps leases, presence and cleaning up right if the servers' clocks are hours apart", async () => {
  const skews = [5 * HOUR_MS, -5 * HOUR_MS, 0];
  const cluster = await startFaultCluster({
    redis: { url: inject("redisUrl") },
    size: 3,
    heartbeatIntervalMs: 300,
    leaseTtlSeconds: 1,
    envOf: (index) => skewedBy(skews[index] ?? 0),
  });
  // Check that the clocks are skewed as intended.
  for (const [index, gateway] of cluster.gateways.entries()) {
    const line = gateway.logs.find(({ url }) => url !== undefined);
    expect(Math.abs(Number(line?.time) - Date.now() - (skews[index] ?? 0))).toBeLessThan(HOUR_MS / 2);
  }
  const crowd = await Crowd.gather(cluster, { perGateway: 6, rooms: 3 });
  const alone = await cluster.connect(0, "alone");
  const users = [...new Set(crowd.members.map(({ user }) => user)), "alone"];
  const watched = await watchUsers(cluster, users);
  const load = crowd.startLoad();

  // Within three lease times, at one message every 10 ms, no server presumes another dead.
  await eventually(() => expect(load.acknowledged).toBeGreaterThan((3 * cluster.leaseTtlMs) / 10), {
    timeoutMs: 15_000,
  });
  expect(watched.changes).toEqual([]);
  await alone.close();
  await eventually(() => expect(watched.changes).toEqual(["offline alone"]));
  await crowd.hearsItself();
  await expectProjected(cluster, crowd);

  // Kill one gateway whose clock is ahead, then one whose clock is behind; the others clean up after it.
  for (const index of [0, 1]) {
    await cluster.gateways[index]?.kill();
    await expectProjected(cluster, crowd);
    await crowd.hearsItself();
  }
  const outcome = await load.stop();
  expect(outcome.disorder).toEqual([]);
  // All other users have a connection on the remaining gateway.
  expect(watched.shownOffline).toEqual(["alone"]);
  await expectCleanEnd(cluster, crowd);
  await eventually(() => expect(new Set(watched.shownOffline)).toEqual(new Set(users)));
});
