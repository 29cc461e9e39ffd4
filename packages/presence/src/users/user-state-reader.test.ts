import { expect, it } from "vitest";
import { UserStateReader } from "./user-state-reader.js";

it("rejects all reads of a batch if the store throws instead of rejecting, and reads again afterwards", async () => {
  let isBroken = true;
  const reader = new UserStateReader({
    states: (userIds) => {
      if (isBroken) throw new Error("not a promise");
      const state = { version: 1, lastSeen: undefined, isLeaving: false, connections: [] };
      return Promise.resolve(userIds.map((userId) => ({ userId, ...state })));
    },
  });
  const reads = [reader.read(["ann"]), reader.read(["bob", "cy"])];
  await Promise.all(reads.map((read) => expect(read).rejects.toThrow("not a promise")));
  isBroken = false;
  expect((await reader.read(["bob", "cy"])).map(({ userId }) => userId)).toEqual(["bob", "cy"]);
});
