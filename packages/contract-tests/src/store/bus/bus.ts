import { type Bus, type Channel, encodeUtf8, type Subscription } from "@cm/protocol";
import { describe, expect, vi } from "vitest";
import { AWKWARD_NAMES } from "../awkward-names.js";
import { outcomeOf, scenarios, times } from "../store-scenarios.js";
import type { BusPart, PartHarness } from "./part-harness.js";

const ROOM: Channel = { kind: "room", name: "lobby" };

/** Maximum time until an expected message arrives. */
const PATIENCE = { timeout: 10_000, interval: 5 };

/**
 * Contract tests for `Bus`, of a whole store or of a standalone bus. A new harness is created for each test.
 * Behaviour while the link is interrupted is not tested.
 */
export function describeBus(name: string, createHarness: () => Promise<PartHarness<BusPart>>): void {
  const it = scenarios(createHarness);

  describe(`${name}: bus`, () => {
    it("is live when subscribe resolves: 500 times, a peer's next message arrives", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const arrived = new Set<string>();
      const subscriptions: Subscription[] = [];
      for (let trial = 0; trial < 500; trial++) {
        const channel: Channel = { kind: trial % 5 === 0 ? "server" : "room", name: `trial-${trial}` };
        subscriptions.push(await store.bus.subscribe(channel, (message) => arrived.add(textOf(message))));
        await other.publish(channel, encodeUtf8(`${trial}`));
      }
      await vi.waitFor(() => expect(arrived.size).toBe(500), PATIENCE);
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
    });

    it("shows all subscribers one order, the publishers among them, and keeps each publisher's own", async (harness) => {
      const buses = [harness.store, await harness.peer(), await harness.peer()].map(({ bus }) => bus);
      const seen = await Promise.all(buses.slice(0, 2).map((bus) => collect(bus, ROOM)));
      await Promise.all(
        buses.map(async (bus, publisher) => {
          for (let batch = 0; batch < 20; batch++) {
            await Promise.all(times(10, (i) => bus.publish(ROOM, encodeUtf8(`${publisher} ${batch * 10 + i}`))));
          }
        }),
      );
      await vi.waitFor(() => expect(seen.map(({ length }) => length)).toEqual([600, 600]), PATIENCE);
      expect(seen[0]).toEqual(seen[1]);
      for (const publisher of ["0", "1", "2"]) {
        const own = seen[0]?.filter((message) => message.startsWith(`${publisher} `));
        expect(own).toEqual(times(200, (i) => `${publisher} ${i}`));
      }
    });

    it("delivers messages that are published at the same time on several channels each once, in order, and tells each publish its outcome", async ({
      store,
      peer,
    }) => {
      const { bus: other } = await peer();
      const rooms = times(3, (i): Channel => ({ kind: "room", name: `room-${i}` }));
      const own: Channel = { kind: "server", name: "server-1" };
      const seen = await Promise.all([...rooms, own].map((channel) => collect(store.bus, channel)));
      const sizeOf = (i: number): number => (i % 10 === 9 ? 20_000 : 10);
      const published = await Promise.all(
        times(400, (i) => {
          const channel = i % 4 === 3 ? own : { ...(rooms[i % 4] ?? own) };
          return other.publish(channel, encodeUtf8(`${i}`.padEnd(sizeOf(i), ".")));
        }),
      );
      for (const { subscribers } of published) expect([1, undefined]).toContain(subscribers);
      await vi.waitFor(() => expect(seen.map(({ length }) => length)).toEqual([100, 100, 100, 100]), PATIENCE);
      seen.forEach((messages, channel) => {
        expect(messages.map((message) => Number.parseInt(message, 10))).toEqual(times(100, (i) => 4 * i + channel));
        expect(messages.map(({ length }) => length)).toEqual(times(100, (i) => sizeOf(4 * i + channel)));
      });
    });

    it("says how many subscriptions a message reached, or that it does not know", async ({ store, peer }) => {
      const other = await peer();
      await Promise.all([store, other].map(({ bus }) => collect(bus, ROOM)));
      expect([2, undefined]).toContain((await store.bus.publish(ROOM, encodeUtf8("x"))).subscribers);
      const nobody: Channel = { kind: "room", name: "nobody" };
      expect([0, undefined]).toContain((await store.bus.publish(nobody, encodeUtf8("x"))).subscribers);
    });

    it("carries any bytes unchanged", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const received: Uint8Array[] = [];
      await store.bus.subscribe(ROOM, (message) => received.push(message.slice()));
      const allBytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const large = Uint8Array.from({ length: 1_048_576 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
      const sent = [
        allBytes,
        new Uint8Array(0),
        // Of a view, only its own bytes are sent, not the whole buffer behind it.
        allBytes.subarray(100, 103),
        Uint8Array.of(0),
        encodeUtf8("\r\n$5\r\nhello\r\n"),
        large,
        allBytes.toReversed(),
        // Bytes that look like those of a store's own format.
        ...times(4, (i) => Uint8Array.of(0xc2 + i, 1, 0, 0, 0, 1, 65)),
      ];
      for (const message of sent) await other.publish(ROOM, message);
      await vi.waitFor(() => expect(received).toHaveLength(sent.length), PATIENCE);
      // Compare the messages one by one, because a difference within a megabyte is expensive to print.
      sent.forEach((message, i) => {
        expect(Buffer.compare(message, received[i] ?? new Uint8Array(1)), `message ${i}`).toBe(0);
      });
    });

    it("keeps channels apart, of awkward names and of all kinds", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const channels: Channel[] = [
        ...AWKWARD_NAMES.map((name) => ({ kind: "room" as const, name })),
        ...["a", "A", "0", "room", "lobby"].map((name) => ({ kind: "server" as const, name })),
        ...["a", "A", "0", "room", "{a}b", "👋"].map((name) => ({ kind: "roster" as const, name })),
        ...["0", "1", "7"].map((name) => ({ kind: "presence" as const, name })),
      ];
      const seen = await Promise.all(channels.map((channel) => collect(store.bus, channel)));
      await Promise.all(channels.map((channel, i) => other.publish(channel, encodeUtf8(`${i}`))));
      await vi.waitFor(() => expect(seen.flat()).toHaveLength(channels.length), PATIENCE);
      expect(seen).toEqual(channels.map((_, i) => [`${i}`]));
    });

    it("takes one subscription a channel, also while the first is still being made", async ({ store, peer }) => {
      const seen: string[] = [];
      const subscribe = () => store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      const outcomes = await Promise.all([subscribe(), subscribe(), subscribe()].map(outcomeOf));
      expect(outcomes.sort()).toEqual(["done", "options-invalid", "options-invalid"]);
      expect(await outcomeOf(subscribe())).toBe("options-invalid");
      const other = await peer();
      const theirs = await collect(other.bus, ROOM);
      await other.bus.publish(ROOM, encodeUtf8("once"));
      await vi.waitFor(() => expect([seen.length, theirs.length]).toEqual([1, 1]), PATIENCE);
    });

    it("never calls a handler inside the publish that it answers to", async ({ store }) => {
      const steps: string[] = [];
      await store.bus.subscribe(ROOM, (message) => {
        steps.push(`begin ${textOf(message)}`);
        if (textOf(message) === "first") void store.bus.publish(ROOM, encodeUtf8("second"));
        steps.push(`end ${textOf(message)}`);
      });
      const published = store.bus.publish(ROOM, encodeUtf8("first"));
      expect(steps).toEqual([]);
      await published;
      await vi.waitFor(() => expect(steps).toHaveLength(4), PATIENCE);
      expect(steps).toEqual(["begin first", "end first", "begin second", "end second"]);
    });

    it("calls a handler no more once close was called, whatever is on the way", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const seen: string[] = [];
      const subscription = await store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      const publishing = times(200, (i) => other.publish(ROOM, encodeUtf8(`${i}`)));
      await publishing[0];
      const closing = subscription.close();
      const { length } = seen;
      await Promise.all(publishing);
      await closing;
      await passMarker(store.bus, other);
      expect(seen).toHaveLength(length);
    });

    it("lets a handler close its own subscription between two messages", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const seen: string[] = [];
      const closings: Promise<void>[] = [];
      const subscription = await store.bus.subscribe(ROOM, (message) => {
        seen.push(textOf(message));
        if (seen.length === 10) closings.push(subscription.close());
      });
      await Promise.all(times(200, (i) => other.publish(ROOM, encodeUtf8(`${i}`))));
      await vi.waitFor(() => expect(closings).toHaveLength(1), PATIENCE);
      await Promise.all(closings);
      await passMarker(store.bus, other);
      expect(seen).toEqual(times(10, (i) => `${i}`));
    });

    it("closes a subscription once, however often it is asked to", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const first = await store.bus.subscribe(ROOM, () => {});
      await Promise.all([first.close(), first.close()]);
      const seen = await collect(store.bus, ROOM);
      // Closing the first subscription again must not affect the second one.
      await first.close();
      expect(await outcomeOf(store.bus.subscribe(ROOM, () => {}))).toBe("options-invalid");
      await other.publish(ROOM, encodeUtf8("still here"));
      await vi.waitFor(() => expect(seen).toEqual(["still here"]), PATIENCE);
    });

    it("subscribes again right after close, without waiting for it", async ({ store, peer }) => {
      const { bus: other } = await peer();
      const old: string[] = [];
      const first = await store.bus.subscribe(ROOM, (message) => old.push(textOf(message)));
      const closing = first.close();
      const seen = await collect(store.bus, ROOM);
      await other.publish(ROOM, encodeUtf8("new"));
      await closing;
      await vi.waitFor(() => expect(seen).toEqual(["new"]), PATIENCE);
      expect(old).toEqual([]);
    });

    it("converges over 200 rapid cycles of subscribing and closing", async ({ store, peer, storedEntries }) => {
      const { bus: other } = await peer();
      const before = await storedEntries();
      const closings: Promise<void>[] = [];
      let strays = 0;
      for (let i = 0; i < 200; i++) {
        const subscription = await store.bus.subscribe(ROOM, () => strays++);
        closings.push(subscription.close());
      }
      const seen: string[] = [];
      const last = await store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      await Promise.all(closings);
      await other.publish(ROOM, encodeUtf8("here"));
      await vi.waitFor(() => expect(seen).toEqual(["here"]), PATIENCE);
      await last.close();
      await vi.waitFor(
        async () => expect([0, undefined]).toContain((await other.publish(ROOM, encodeUtf8("gone"))).subscribers),
        PATIENCE,
      );
      expect([seen, strays]).toEqual([["here"], 0]);
      expect(await storedEntries()).toBe(before);
    });
  });
}

/** Subscribes, and collects the messages as text in the order of arrival. */
async function collect(bus: Bus, channel: Channel): Promise<string[]> {
  const seen: string[] = [];
  await bus.subscribe(channel, (message) => seen.push(textOf(message)));
  return seen;
}

/** Waits until the subscriber has received every message that was published to {@link ROOM} before. */
async function passMarker(subscriber: Bus, publisher: Bus): Promise<void> {
  const seen = await collect(subscriber, ROOM);
  await publisher.publish(ROOM, encodeUtf8("marker"));
  await vi.waitFor(() => expect(seen).toContain("marker"), PATIENCE);
}

function textOf(message: Uint8Array): string {
  return new TextDecoder().decode(message);
}
