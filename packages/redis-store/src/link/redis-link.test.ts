import type { LinkState } from "@cm/protocol";
import { expect, it } from "vitest";
import { RedisLink } from "./redis-link.js";

const createLink = (thrown: unknown[] = []): RedisLink =>
  new RedisLink(
    () => 7,
    (cause) => thrown.push(cause),
  );

it("notifies every listener of each change once and in order, also if a listener causes the next", () => {
  const link = createLink();
  const told: string[] = [];
  link.onState((state) => {
    told.push(`first ${state}`);
    if (state === "down") link.become("closed");
  });
  link.onState((state) => told.push(`second ${state}`));
  link.become("in-sync");
  link.become("in-sync");
  link.become("down");
  link.become("in-sync");
  expect(told).toEqual(
    (["in-sync", "down", "closed"] as const).flatMap((state) => [`first ${state}`, `second ${state}`]),
  );
});

it("skips a listener that another one has removed, and continues after one that throws", () => {
  const thrown: unknown[] = [];
  const link = createLink(thrown);
  const told: LinkState[] = [];
  link.onState(() => {
    takeOff();
    throw new Error("listener");
  });
  const takeOff = link.onState(() => told.push("connecting"));
  link.onState((state) => told.push(state));
  link.become("in-sync");
  expect(told).toEqual(["in-sync"]);
  expect(thrown).toEqual([new Error("listener")]);
});

it("says since when it is as it is, and what was counted", () => {
  const link = createLink();
  const { since } = link.status();
  link.counters.reconnects++;
  link.become("in-sync");
  expect(link.status()).toEqual({
    state: "in-sync",
    since: expect.any(Number),
    lastProbeMs: 7,
    reconnects: 1,
    resubscriptions: 0,
    replacedSubscribers: 0,
    timedOutCommands: 0,
    refusedCommands: 0,
  });
  expect(link.status().since).toBeGreaterThanOrEqual(since);
});
