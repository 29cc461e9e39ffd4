import { watchUsers } from "@cm/gateway-kit/invariants/watched-users";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

it("never shows a user offline who comes to another gateway before the first one knows of the end", async () => {
  // No grace period, so that only the other connection keeps the user online.
  const cluster = await startGatewayCluster({ size: 2, env: { OFFLINE_GRACE_MS: "0" } });
  onTestFinished(() => cluster.close());
  const [first] = cluster.gateways;
  onTestFinished(() => first?.resume());
  const old = await cluster.connect(0, "ann");
  const bystander = await cluster.connect(1, "bob");
  for (const socket of [old, bystander]) await socket.do({ type: "join", room: "lobby" });
  const watched = await watchUsers(cluster, ["ann"]);
  const members = async (): Promise<string[]> => {
    const page = await bystander.do({ type: "members", room: "lobby" });
    return page.type === "members" ? page.members.map(({ connection }) => connection).sort() : [];
  };

  first?.pause();
  old.terminate();
  await old.closed;
  const fresh = await cluster.connect(1, "ann");
  await fresh.do({ type: "join", room: "lobby" });
  await eventually(() => expect(watched.changes).toEqual(["opened ann"]));
  // The first gateway's lease is valid, and it has not announced any departure.
  expect(await members()).toEqual([old.id, fresh.id, bystander.id].sort());

  first?.resume();
  await eventually(() => expect(watched.changes).toEqual(["opened ann", "closed ann"]));
  await eventually(async () => expect(await members()).toEqual([fresh.id, bystander.id].sort()));
  expect(watched.shownOffline).toEqual([]);
  await bystander.do({ type: "send", user: "ann", data: "on one device" });
  await eventually(() => expect(fresh.directs()).toEqual(["on one device"]));

  await fresh.close();
  await eventually(() => expect(watched.changes).toEqual(["opened ann", "closed ann", "offline ann"]));
  expect(watched.shownOffline).toEqual(["ann"]);
  await eventually(async () => expect(await members()).toEqual([bystander.id]));
});
