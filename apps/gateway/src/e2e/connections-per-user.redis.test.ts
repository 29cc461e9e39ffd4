import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

const REPLACE = { MAX_CONNECTIONS_PER_USER: "2", CONNECTIONS_PER_USER_POLICY: "replace" };

it("closes a user's oldest connection on another server for a newer one, also when two come at once", async () => {
  const cluster = await startGatewayCluster({ size: 2, env: REPLACE });
  onTestFinished(() => cluster.close());
  const first = await cluster.connect(0, "ann");
  const second = await cluster.connect(1, "ann");
  const third = await cluster.connect(1, "ann");
  expect(await first.closed).toMatchObject({ code: 4005 });
  expect([second.isOpen, third.isOpen]).toEqual([true, true]);

  let before = [second, third];
  for (let round = 0; round < 10; round++) {
    const pair = await Promise.all([cluster.connect(round % 2, "ann"), cluster.connect(1, "ann")]);
    for (const { closed } of before) expect(await closed).toMatchObject({ code: 4005 });
    expect(pair.map(({ isOpen }) => isOpen)).toEqual([true, true]);
    before = pair;
  }
  // Each of these connections gets a place or is told to retry; afterwards exactly two connections are open.
  const storm = await Promise.allSettled(Array.from({ length: 8 }, (_, index) => cluster.connect(index % 2, "ann")));
  const connected = storm.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  for (const outcome of storm) {
    if (outcome.status === "rejected") expect(String(outcome.reason)).toMatch(/closed with 4005 |"code":"unavailable"/);
  }
  await eventually(async () => {
    const stats = await Promise.all([0, 1].map((index) => cluster.stats(index)));
    expect(stats.reduce((sum, { connections = 0 }) => sum + connections, 0)).toBe(2);
  });
  const open = [...before, ...connected].filter(({ isOpen }) => isOpen);
  expect(open).toHaveLength(2);
  const [one, other] = open;
  await one?.do({ type: "send", user: "ann", data: "both" });
  for (const socket of [one, other]) await eventually(() => expect(socket?.directs()).toEqual(["both"]));
});

it("lets a user at the limit reconnect after its server has ended, and never closes it with connections-limit", async () => {
  const cluster = await startGatewayCluster({
    size: 3,
    env: { ...REPLACE, DEAD_AFTER_MS: "1500", HEARTBEAT_INTERVAL_MS: "500", HEARTBEAT_TTL_SECONDS: "60" },
    envOf: (index) => ({ CONNECTIONS_PER_USER_POLICY: index === 2 ? "refuse" : "replace" }),
  });
  onTestFinished(() => cluster.close());
  for (const user of ["ann", "bob", "ann", "bob"]) await cluster.connect(0, user);
  // With `refuse`, the limit is final while the server of the user's connections lives.
  await expect(cluster.connect(2, "bob")).rejects.toThrow(/"code":"connections-limit"/);
  const [dead] = cluster.gateways;
  await dead?.kill();
  const refusals: string[] = [];
  const comeBack = (index: number, user: string) =>
    eventually(() =>
      CmSocket.open(cluster.wsUrls[index] ?? "", user).catch((error: unknown) => {
        refusals.push(String(error));
        throw error;
      }),
    );
  const back = await Promise.all([comeBack(1, "ann"), comeBack(2, "bob")]);
  expect(back.map(({ isOpen }) => isOpen)).toEqual([true, true]);
  expect(refusals.length).toBeGreaterThan(0);
  for (const refusal of refusals) expect(refusal).toContain('"code":"unavailable"');
});
