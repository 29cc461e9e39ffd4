import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { DeliveryProbe } from "./delivery-probe.js";

it("reports each message that arrives once", async () => {
  const changes: string[] = [];
  const probe: DeliveryProbe = new DeliveryProbe({
    publish: async (payload) => {
      probe.take(payload);
      return 1;
    },
    isReady: () => true,
    isLive: () => true,
    replace: () => undefined,
    replacePublisher: () => undefined,
    changed: () => changes.push(`${probe.proof} ${probe.heardUntil}`),
    intervalMs: 60_000,
    timeoutMs: 60_000,
  });
  onTestFinished(() => probe.close());
  const moments: (number | undefined)[] = [];
  for (let message = 0; message < 3; message++) {
    const before = probe.heardUntil;
    probe.hurry();
    await eventually(() => expect(probe.heardUntil).not.toBe(before));
    moments.push(probe.heardUntil);
  }
  expect(changes).toEqual(moments.map((moment) => `proven ${moment}`));
});

it("proves nothing with a message that arrives before the publisher has its reply", async () => {
  let reply: () => void = () => undefined;
  const probe: DeliveryProbe = new DeliveryProbe({
    publish: (payload) => {
      probe.take(payload);
      return new Promise((resolve) => {
        reply = () => resolve(1);
      });
    },
    isReady: () => true,
    isLive: () => true,
    replace: () => undefined,
    replacePublisher: () => undefined,
    changed: () => undefined,
    intervalMs: 60_000,
    timeoutMs: 60_000,
  });
  onTestFinished(() => probe.close());
  probe.hurry();
  expect([probe.proof, probe.heardUntil]).toEqual(["unproven", undefined]);
  reply();
  await eventually(() => expect(probe.proof).toBe("proven"));
});
