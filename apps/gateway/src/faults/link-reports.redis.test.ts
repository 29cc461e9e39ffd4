import { startFaultCluster } from "@cm/gateway-kit/processes/fault-cluster";
import { eventually, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("reports a broken link in /stats and in a line for each change", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 1, proxied: true });
  const link = async (): Promise<unknown> => (await cluster.stats(0)).link;
  const told = (): unknown[] => cluster.gateways[0]?.logs.filter((line) => line.link !== undefined) ?? [];
  await cluster.untilReady();
  expect(await link()).toMatchObject({ state: "in-sync", reconnects: 0, resubscriptions: 0, refusedCommands: 0 });
  await cluster.proxies[0]?.set({ kind: "cut" });
  await eventually(async () => expect(await link()).toMatchObject({ state: "down" }));
  await cluster.proxies[0]?.set({ kind: "pass" });
  await cluster.untilReady();
  // One resubscription, of the server's own channel; two reconnects, of both connections.
  expect(await link()).toMatchObject({ state: "in-sync", reconnects: 2, resubscriptions: 1, replacedSubscribers: 0 });
  await eventually(() => expect(told().length).toBeGreaterThanOrEqual(3));
  expect(told()[0]).toMatchObject({ link: "in-sync", level: 30 });
  expect(told()).toContainEqual(expect.objectContaining({ link: "down", level: 40 }));
  expect(told().at(-1)).toMatchObject({ link: "in-sync", level: 30, reconnects: 2, resubscriptions: 1 });
  expect(told().length).toBeLessThan(10);
});

it("is not ready while Redis refuses new subscriptions, and is again by itself", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 1 });
  const ann = await cluster.connect(0, "ann");
  await ann.do({ type: "join", room: "lobby" });
  await redis.ask("ACL", "SETUSER", "default", "-subscribe");
  expect(await ann.ask({ type: "join", room: "other" })).toMatchObject({ type: "error", code: "unavailable" });
  await eventually(async () => expect(await cluster.readiness(0)).toBe(503));
  expect((await cluster.stats(0)).link).toMatchObject({ state: "degraded" });
  // Existing subscriptions still work.
  await ann.do({ type: "publish", room: "lobby", data: 1 });
  await eventually(() => expect(ann.messages("lobby")).toHaveLength(1));
  await redis.ask("ACL", "SETUSER", "default", "+subscribe");
  await cluster.untilReady();
  await ann.do({ type: "join", room: "other" });
});

it("sends clients the store's error without its keys, and logs the keys", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const cluster = await startFaultCluster({ redis, size: 1 });
  const ann = await cluster.connect(0, "ann");
  await ann.do({ type: "join", room: "lobby" });
  const key = (await cluster.keys()).find((name) => name.endsWith(":rooms:lobby")) ?? "";
  await redis.ask("SET", key, "foreign");
  for (const request of [
    { type: "members", room: "lobby" },
    { type: "leave", room: "lobby" },
  ]) {
    const answer = await ann.ask(request);
    expect(JSON.stringify(answer)).not.toContain(cluster.prefix);
    if (request.type === "members") expect(answer).toMatchObject({ type: "error", code: "store-corrupt" });
  }
  await eventually(() => expect(JSON.stringify(cluster.gateways[0]?.logs)).toContain(key));
});
