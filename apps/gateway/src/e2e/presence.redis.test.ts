import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { createPresence, type UserPresence } from "@cm/presence";
import type { PresenceChange } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually } from "@cm/test-kit";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";

describe("presence of a gateway's users, for another process on the same Redis", () => {
  let cluster: GatewayCluster | undefined;

  afterEach(() => cluster?.close());

  async function watchAnn(gateways: GatewayCluster): Promise<{
    readonly changes: PresenceChange[];
    read(): Promise<UserPresence>;
  }> {
    const store = createRedisStore({ url: gateways.redisUrl, prefix: gateways.prefix });
    onTestFinished(() => store.close());
    await store.start();
    const presence = createPresence(store);
    onTestFinished(() => presence.close());
    const changes: PresenceChange[] = [];
    await presence.watchUser("ann", { snapshot: () => undefined, change: (change) => changes.push(change) });
    return { changes, read: () => presence.get("ann") };
  }

  const kinds = ({ changes }: { readonly changes: readonly PresenceChange[] }) => changes.map(({ kind }) => kind);

  it("stays online while a page is reloaded, and while its server is replaced by another", async () => {
    cluster = await startGatewayCluster({ size: 2, env: { OFFLINE_GRACE_MS: "3600000" } });
    const ann = await watchAnn(cluster);
    const first = await cluster.connect(0, "ann");
    await first.close();
    await eventually(() => expect(kinds(ann)).toEqual(["online", "closed"]));
    await cluster.connect(0, "ann");
    await eventually(() => expect(kinds(ann)).toEqual(["online", "closed", "opened"]));
    await cluster.gateways[0]?.stop();
    await cluster.connect(1, "ann");
    await eventually(() => expect(kinds(ann)).toEqual(["online", "closed", "opened", "closed", "opened"]));
    expect(await ann.read()).toMatchObject({ status: "online", connections: [{ serverId: "gw2" }] });
  });

  it("is offline once the grace period ended, and last seen then", async () => {
    cluster = await startGatewayCluster({ size: 2, env: { OFFLINE_GRACE_MS: "300", LAST_SEEN_TTL_SECONDS: "60" } });
    const ann = await watchAnn(cluster);
    const socket = await cluster.connect(0, "ann");
    await socket.close();
    await eventually(() => expect(kinds(ann)).toEqual(["online", "closed", "offline"]));
    expect(await ann.read()).toMatchObject({ status: "offline", lastSeen: ann.changes[2]?.at });
  });
});
