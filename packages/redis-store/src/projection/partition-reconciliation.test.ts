import { expect, it } from "vitest";
import type { PartitionRoomsParts } from "../rooms/partition-rooms.js";
import { reconcileUsers } from "./partition-reconciliation.js";

/** A partition whose users change during each of the first `changes` counts. Records how each count was made. */
function changing(changes: number) {
  const most: number[] = [];
  const commands = {
    run: async (_script: unknown, args: { readonly most: number }) => {
      most.push(args.most);
      const changed = most.length <= changes;
      return {
        holders: ["gw-1.aaaa"],
        repaired: changed ? 0 : 1,
        ended: true,
        changed,
        last: "",
        counted: 0,
        mark: "",
      };
    },
  };
  const keys = { userPartition: () => ({}) };
  // Only the members that `reconcileUsers` uses.
  const parts = { commands, keys, connectionTtlMs: 1_000 } as unknown as PartitionRoomsParts & {
    readonly connectionTtlMs: number;
  };
  return { most, reconcile: () => reconcileUsers(parts, 0) };
}

it.each([
  [0, [1_000], 1],
  [1, [1_000, 1_000], 1],
  [2, [1_000, 1_000, 3_000], 1],
  // The correction is left for a later call.
  [9, [1_000, 1_000, 3_000], 0],
])("users who change during %i counts are counted in steps of %j entries", async (changes, steps, repaired) => {
  const { most, reconcile } = changing(changes);
  expect(await reconcile()).toEqual({ repaired, holders: [{ serverId: "gw-1", incarnation: "aaaa" }] });
  expect(most).toEqual(steps);
});
