import { type FaultCluster, startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

const PUBLISHED = 20;

/** Lease of the server that is cut off, in seconds: it does not expire during the test. */
const PATIENT = "60";

it.each<[string, (cluster: FaultCluster) => Promise<unknown>]>([
  ["stopped as it should", (cluster) => Promise.resolve(cluster.gateways[2]?.stop())],
  ["was killed and cleaned up after", killed],
])(
  "tells members that messages may be missing, where a server first published while theirs was cut off, and then %s",
  async (_, end) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const cluster = await startFaultCluster({
      redis,
      size: 3,
      proxied: true,
      envOf: (index) => (index === 0 ? { HEARTBEAT_TTL_SECONDS: PATIENT } : {}),
    });
    const [ann, bob, cat] = await Promise.all([0, 1, 2].map((index) => cluster.connect(index, `user-${index}`)));
    for (const socket of [ann, bob, cat]) await socket?.do({ type: "join", room: "lobby" });
    await cluster.proxies[0]?.set({ kind: "cut" });
    // Every publish of this server is acknowledged, and no other server has received anything from it before.
    for (let n = 0; n < PUBLISHED; n++) await cat?.do({ type: "publish", room: "lobby", data: n });
    await end(cluster);
    await cluster.proxies[0]?.set({ kind: "pass" });
    await eventually(() =>
      expect(ann?.received.filter(({ type }) => type === "gap")).toEqual([{ type: "gap", room: "lobby" }]),
    );
    expect(ann?.messages("lobby")).toEqual([]);
    expect(bob?.messages("lobby")).toHaveLength(PUBLISHED);
    expect(bob?.received.filter(({ type }) => type === "gap")).toEqual([]);
  },
);

async function killed(cluster: FaultCluster): Promise<void> {
  await cluster.gateways[2]?.kill();
  await eventually(async () => expect(await cluster.stats(1)).toMatchObject({ reapedServers: 1 }));
}
