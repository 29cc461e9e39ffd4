import { beforeEach, describe, expect, it } from "vitest";
import { AudienceSizes } from "./audience-sizes.js";
import { FanOutBudget } from "./fan-out-budget.js";
import { LimitCounter } from "./limit-counter.js";

const PER_SECOND = 1_000;

describe("the sizes of audiences", () => {
  let now: number;
  let reads: string[];
  let budget: FanOutBudget;
  let sizes: AudienceSizes;
  /** The number of receivers on all servers; `Error` makes reads fail. */
  let size: number | Error;

  beforeEach(() => {
    now = 0;
    reads = [];
    size = 500;
    budget = new FanOutBudget({
      perSecond: PER_SECOND,
      serverPercent: 0,
      limits: new LimitCounter(),
      monotonicMs: () => now,
    });
    sizes = new AudienceSizes(
      async (name) => {
        reads.push(name);
        if (size instanceof Error) throw size;
        return size;
      },
      () => now,
    );
  });

  const read = () => new Promise((resolve) => setImmediate(resolve));
  const account = () => budget.account();

  it("charge a connection afterwards for receivers elsewhere, spread over names that get few messages each", async () => {
    const sender = account();
    for (let room = 0; room < 5; room++) sizes.charge(sender, `room-${room}`, 1);
    await read();
    expect(() => sizes.charge(sender, "room-9", 1)).toThrowError(expect.objectContaining({ code: "rate-limited" }));
    expect(reads).toEqual(["room-1", "room-2", "room-3", "room-4"]);
    // Of its 1,000 deliveries the sender has paid 5, and it owes 4 times 499: it is 1,001 in debt, which takes
    // 1.001 s.
    now = 1_000;
    expect(() => sizes.charge(sender, "room-9", 1)).toThrow();
    now = 1_010;
    expect(() => sizes.charge(sender, "room-9", 1)).not.toThrow();
  });

  it("are not read for a connection that sends at most one message a second", async () => {
    const sender = account();
    for (let message = 0; message < 20; message++) {
      sizes.charge(sender, `room-${message}`, 1);
      await read();
      now += 1_001;
    }
    expect(reads).toEqual([]);
  });

  it("are read once in five seconds, however many messages and senders there are", async () => {
    size = 1;
    const senders = [account(), account(), account()];
    for (; now < 20_000; now += 50) {
      for (const sender of senders) sizes.charge(sender, "hall", 1);
      await read();
    }
    expect(reads).toHaveLength(4);
  });

  it("are read once for all messages that are sent until the answer, each of which is charged", async () => {
    const [first, second] = [account(), account()];
    for (let message = 0; message < 4; message++)
      for (const sender of [first, second]) sizes.charge(sender, "hall", 10);
    await read();
    expect(reads).toEqual(["hall"]);
    for (const sender of [first, second]) {
      expect(() => sizes.charge(sender, "hall", 10)).toThrowError(expect.objectContaining({ code: "rate-limited" }));
    }
  });

  it("are used without a read while they are known, also for another connection", async () => {
    const [first, second] = [account(), account()];
    for (let message = 0; message < 2; message++) sizes.charge(first, "hall", 1);
    await read();
    for (let message = 0; message < 2; message++) sizes.charge(second, "hall", 1);
    expect(() => sizes.charge(second, "hall", 1)).toThrow();
    expect(reads).toHaveLength(1);
  });

  it("are forgotten when they are outdated, so that an audience that left costs nothing", async () => {
    const sender = account();
    for (let message = 0; message < 2; message++) sizes.charge(sender, "hall", 1);
    await read();
    now = 10_001;
    for (let message = 0; message < 5; message++) {
      sizes.charge(sender, "hall", 1);
      now += 1_001;
    }
    expect(reads).toHaveLength(1);
  });

  it("stay as they were when a read fails, and are not read again at once", async () => {
    size = new Error("down");
    const sender = account();
    for (let message = 0; message < 50; message++) {
      sizes.charge(sender, "hall", 1);
      await read();
    }
    expect(reads).toHaveLength(1);
  });
});
