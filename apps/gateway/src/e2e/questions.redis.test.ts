import { setTimeout as sleep } from "node:timers/promises";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { decodeUtf8, encodeUtf8 } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { startOutsideRouter } from "./outside-router.fixture.js";

const LEASE_MS = 2_000;

/** Starts gateways with one member each, and a server without sockets that sends them questions. */
async function start(size: number) {
  const cluster = await startGatewayCluster({
    size,
    env: { HEARTBEAT_INTERVAL_MS: "500", HEARTBEAT_TTL_SECONDS: String(LEASE_MS / 1_000) },
  });
  onTestFinished(() => cluster.close());
  const outside = await startOutsideRouter(cluster, { onQuestion: async () => encodeUtf8("{}") });
  const ask = async (question: string, timeoutMs: number) => {
    const { answers, missing } = await outside.ask(encodeUtf8(question), { timeoutMs });
    const connections: Record<string, unknown> = {};
    for (const [id, answer] of answers) {
      const { transport }: { transport?: { connections: number } } = JSON.parse(decodeUtf8(answer) ?? "");
      if (id !== "outside") connections[id] = transport?.connections;
    }
    return { connections, missing: [...missing].sort() };
  };
  return { cluster, ask };
}

it("answers for all gateways, and names those that are paused or dead, until they are known to be gone", async () => {
  const { cluster, ask } = await start(3);
  await Promise.all([cluster.connect(0, "ann"), cluster.connect(1, "bob"), cluster.connect(1, "cid")]);
  const [first = "", second = "", third = ""] = cluster.gateways.map(({ serverId }) => serverId);
  expect(await ask("stats", 5_000)).toEqual({ connections: { [first]: 1, [second]: 2, [third]: 0 }, missing: [] });

  const gateways = cluster.gateways;
  gateways[1]?.signal("SIGSTOP");
  await gateways[2]?.kill();
  const from = performance.now();
  expect(await ask("stats", 500)).toEqual({ connections: { [first]: 1 }, missing: [second, third].sort() });
  expect(performance.now() - from).toBeLessThan(LEASE_MS);

  // A server whose lease has expired is not part of the cluster, so a question does not wait for it.
  await sleep(LEASE_MS);
  await eventually(async () => expect(await ask("stats", 500)).toEqual({ connections: { [first]: 1 }, missing: [] }));
  gateways[1]?.signal("SIGCONT");
  await eventually(async () =>
    expect(await ask("stats", 500)).toEqual({ connections: { [first]: 1, [second]: 2 }, missing: [] }),
  );
});

it("reports servers that can't answer a question as missing, and continues", async () => {
  const { cluster, ask } = await start(1);
  const id = cluster.gateways[0]?.serverId;
  expect(await ask("what is the time?", 5_000)).toEqual({ connections: {}, missing: [id] });
  expect(await ask("stats", 5_000)).toMatchObject({ missing: [] });
});
