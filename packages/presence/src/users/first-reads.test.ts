import { createMemoryStore } from "@cm/memory-store";
import { createConnectionIdSource, partitionOf, type UserDirectory } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { UserRecorder } from "../change-recorder.fixture.js";
import { createPresence } from "../index.js";

/** Two users whose changes are on the same feed. */
function usersOfOnePartition(partitions: number): [string, string] {
  const first = "user-0";
  for (let n = 1; ; n++) {
    if (partitionOf(`user-${n}`, partitions) === partitionOf(first, partitions)) return [first, `user-${n}`];
  }
}

it("does not begin a watch with what a reread of other users found in an incomplete store", async () => {
  const store = createMemoryStore();
  await store.start();
  onTestFinished(() => store.close());
  const ids = createConnectionIdSource({ serverId: "a" });
  const { incarnation, partitionBits } = ids;
  const registration = { serverId: "a", incarnation, partitionBits, host: "127.0.0.1", port: 1 };
  const lease = await store.servers.acquire(registration, 60_000);
  const [ann, bob] = usersOfOnePartition(store.partitions);
  await store.users.add(lease, [{ connectionId: ids.next(), userId: ann }]);
  let isComplete = true;
  let reads = 0;
  const users: Pick<UserDirectory, "states" | "online"> = {
    states: (userIds) => {
      reads++;
      return store.users.states(userIds);
    },
    online: (page, partition) => store.users.online(page, partition),
  };
  const { rooms, counts, partitions, bus } = store;
  const presence = createPresence({
    ...{ users, rooms, counts, partitions, bus },
    recheckIntervalMs: 1_000,
    isComplete: async () => isComplete,
  });
  onTestFinished(() => presence.close());
  await presence.watchUser(ann, new UserRecorder());
  isComplete = false;
  const [first, second] = [new UserRecorder(), new UserRecorder()];
  const watches = [presence.watchUser(bob, first), presence.watchUser(bob, second)];
  await eventually(() => expect(reads).toBeGreaterThanOrEqual(3));
  const before = reads;
  // The periodic reread of the users who are known already.
  await eventually(() => expect(reads).toBeGreaterThan(before));
  expect([...first.snapshots, ...second.snapshots]).toEqual([]);
  await store.users.add(lease, [{ connectionId: ids.next(), userId: bob }], { quiet: true });
  isComplete = true;
  await Promise.all(watches);
  for (const { snapshots } of [first, second]) {
    expect(snapshots.map(([presenceOfBob]) => presenceOfBob?.connections.length)).toEqual([1]);
  }
});
