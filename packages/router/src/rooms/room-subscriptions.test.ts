import type { Bus, Channel, Published, Subscription } from "@cm/protocol";
import { CmError } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { RoomSubscriptions } from "./room-subscriptions.js";

/** A bus whose responses to `subscribe` are controlled by the test. */
class SlowBus implements Bus {
  readonly open = new Set<string>();
  readonly log: string[] = [];
  #waiting: { channel: Channel; answer: (failure?: Error) => void }[] = [];

  publish(): Promise<Published> {
    return Promise.resolve({ subscribers: 0 });
  }

  subscribe(channel: Channel): Promise<Subscription> {
    this.log.push(`subscribe ${channel.name}`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        channel,
        answer: (failure) => {
          if (failure !== undefined) return reject(failure);
          this.open.add(channel.name);
          const close = async () => {
            this.log.push(`close ${channel.name}`);
            this.open.delete(channel.name);
          };
          resolve({ close });
        },
      });
    });
  }

  async answerAll(failure?: Error): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { answer } of waiting) answer(failure);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function subscriptionsOn(bus: Bus, options: { releaseDelayMs?: number; maxIdle?: number } = {}): RoomSubscriptions {
  return new RoomSubscriptions({
    bus,
    releaseDelayMs: options.releaseDelayMs ?? 0,
    maxIdle: options.maxIdle ?? 100,
    hearsItself: () => true,
    orderedRoomOf: () => undefined,
    onMessage: () => undefined,
    onResumed: () => undefined,
    onCloseFailed: () => undefined,
  });
}

/** Resolves with `live`, `failed` or `waiting`, depending on the promise's state. */
async function fateOf(promise: Promise<unknown>): Promise<string> {
  let fate = "waiting";
  promise.then(
    () => {
      fate = "live";
    },
    () => {
      fate = "failed";
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return fate;
}

describe("RoomSubscriptions", () => {
  it("answers an entry only when the channel is live", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entry = rooms.enter("lobby");
    expect(await fateOf(entry)).toBe("waiting");
    await bus.answerAll();
    expect(await fateOf(entry)).toBe("live");
  });

  it("opens one channel for all members that enter while it opens", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entries = Promise.all([rooms.enter("lobby"), rooms.enter("lobby"), rooms.enter("lobby")]);
    await bus.answerAll();
    await entries;
    expect(bus.log).toEqual(["subscribe lobby"]);
    expect(rooms.roomCount).toBe(1);
  });

  it("fails all waiting calls when the channel can't be opened, and leaves nothing behind", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entries = [rooms.enter("lobby"), rooms.enter("lobby")].map((entry) =>
      entry.catch((error: CmError) => error.code),
    );
    await bus.answerAll(new CmError("timeout", "no answer"));
    expect(await Promise.all(entries)).toEqual(["timeout", "timeout"]);
    expect(rooms.roomCount).toBe(0);
    const again = rooms.enter("lobby");
    await bus.answerAll();
    expect(await fateOf(again)).toBe("live");
  });

  it("keeps the channel until the last member left, then unsubscribes", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entries = [rooms.enter("lobby"), rooms.enter("lobby")];
    await bus.answerAll();
    await Promise.all(entries);
    rooms.exit("lobby");
    expect(rooms.idleCount).toBe(0);
    rooms.exit("lobby");
    expect(rooms.idleCount).toBe(1);
    await expect.poll(() => bus.open.size).toBe(0);
    expect(rooms.idleCount).toBe(0);
  });

  it("keeps a channel that is entered again before its delay expired", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus, { releaseDelayMs: 60_000 });
    const first = rooms.enter("lobby");
    await bus.answerAll();
    await first;
    rooms.exit("lobby");
    await rooms.enter("lobby");
    expect(bus.log).toEqual(["subscribe lobby"]);
    expect(rooms.roomCount).toBe(1);
    expect(rooms.idleCount).toBe(0);
  });

  it("unsubscribes a channel whose members all left while it was being opened", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entry = rooms.enter("lobby");
    rooms.exit("lobby");
    await bus.answerAll();
    await entry;
    await expect.poll(() => bus.log).toEqual(["subscribe lobby", "close lobby"]);
  });

  it("keeps a bounded number of channels without members", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus, { releaseDelayMs: 60_000, maxIdle: 3 });
    const names = ["a", "b", "c", "d", "e"];
    const entries = names.map((name) => rooms.enter(name));
    await bus.answerAll();
    await Promise.all(entries);
    for (const name of names) rooms.exit(name);
    expect(rooms.idleCount).toBe(3);
    expect([...bus.open]).toEqual(["c", "d", "e"]);
  });

  it("ignores an exit too many", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus, { releaseDelayMs: 60_000 });
    const entry = rooms.enter("lobby");
    await bus.answerAll();
    await entry;
    for (let i = 0; i < 3; i++) rooms.exit("lobby");
    await rooms.enter("lobby");
    expect(rooms.roomCount).toBe(1);
    rooms.exit("lobby");
    expect(rooms.roomCount).toBe(0);
  });

  it("releases everything when it is closed, and accepts no member after that", async () => {
    const bus = new SlowBus();
    const rooms = subscriptionsOn(bus);
    const entry = rooms.enter("lobby");
    await bus.answerAll();
    await entry;
    await rooms.close();
    expect(bus.open.size).toBe(0);
    await expect(rooms.enter("lobby")).rejects.toMatchObject({ code: "closed" });
  });
});
