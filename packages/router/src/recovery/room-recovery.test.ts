import { createMemoryStore } from "@cm/memory-store";
import type { HistoryPosition } from "@cm/protocol";
import { expect, it } from "vitest";
import type { Follower } from "./ordered-room.js";
import { type Recovery, type RecoveryLimit, recoverFrom } from "./room-recovery.js";

const EPOCH = 7;

/** A history whose only page arrives when the test says so, and a room whose deliveries the test makes. */
function startRecovery(from: number, at: number, stored: readonly number[], limit: RecoveryLimit) {
  let position: HistoryPosition = { epoch: EPOCH, offset: at };
  let follower: Follower = () => undefined;
  let answer = (): void => undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const taken: Recovery[] = [];
  const { history } = createMemoryStore().bus;
  if (history === undefined) throw new Error("A memory store keeps histories.");
  history.since = async (_, after) => {
    await answered;
    const entries = stored.map((offset) => ({ offset, message: new Uint8Array(10) }));
    return {
      top: { epoch: EPOCH, offset: stored.at(-1) ?? from },
      complete: true,
      former: undefined,
      entries: entries.filter(({ offset }) => offset > (after?.offset ?? 0)),
    };
  };
  const done = recoverFrom(
    { epoch: EPOCH, offset: from },
    limit,
    {
      room: "lobby",
      history,
      ordered: {
        get position() {
          return position;
        },
        follow(given) {
          follower = given;
          return () => undefined;
        },
        catchUp: async () => true,
      },
      read: (payload) => ({ payload }),
    },
    (recovery) => taken.push(recovery),
  );
  return {
    deliver(offset: number, payload: Uint8Array): void {
      position = { epoch: EPOCH, offset };
      follower({ at: position, id: offset, payload, except: [] });
    },
    async end(): Promise<Recovery | undefined> {
      answer();
      await done;
      return taken[0];
    },
  };
}

it("keeps no more bytes of the messages that arrive during the read than the limit", async () => {
  const recovery = startRecovery(0, 0, [], { maxMessages: 1_000, maxBytes: 1_000_000 });
  const payload = new Uint8Array(500_000);
  const before = process.memoryUsage().arrayBuffers;
  for (let offset = 1; offset <= 100; offset++) recovery.deliver(offset, payload);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
  expect(await recovery.end()).toMatchObject({ recovered: false, frames: [] });
});

it("counts a message once that it reads and that arrives during the read", async () => {
  const recovery = startRecovery(1, 2, [2, 3, 4], { maxMessages: 4, maxBytes: 40 });
  for (const offset of [3, 4, 5]) recovery.deliver(offset, new Uint8Array(10));
  const result = await recovery.end();
  expect(result).toMatchObject({ recovered: true, position: { epoch: EPOCH, offset: 5 } });
  expect(result?.frames).toHaveLength(4);
});

it("does not count the messages that the client has and that this server gets only during the read", async () => {
  const recovery = startRecovery(20, 0, [], { maxMessages: 10, maxBytes: 100 });
  for (let offset = 1; offset <= 21; offset++) recovery.deliver(offset, new Uint8Array(10));
  const result = await recovery.end();
  expect(result).toMatchObject({ recovered: true, position: { epoch: EPOCH, offset: 21 } });
  expect(result?.frames).toHaveLength(1);
});
