import { expect, it } from "vitest";
import { serve } from "./limited-gateway.fixture.js";

it("a message to a user with more connections than one turn writes to reaches each of them once", async () => {
  const gateway = await serve({ maxConnectionsPerUser: 0, maxFanoutPerSecond: 0, maxFanoutPercent: 0 });
  const crowd: Awaited<ReturnType<typeof gateway.open>>[] = [];
  for (let i = 0; i < 12; i++)
    crowd.push(...(await Promise.all(Array.from({ length: 50 }, () => gateway.open("hub")))));
  const ann = await gateway.open("ann");
  for (const data of ["one", "two"]) {
    expect(await ann.do({ type: "send", user: "hub", data })).toMatchObject({ type: "ack", outcome: "delivered" });
  }
  const directs = () => crowd.map(({ received }) => received.filter(({ type }) => type === "direct").length);
  await expect.poll(directs, { timeout: 10_000 }).toEqual(crowd.map(() => 2));
});
