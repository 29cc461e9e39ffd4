import {
  type Channel,
  decodeUtf8,
  encodeUtf8,
  type History,
  type HistoryDraft,
  type HistoryPosition,
  historyStamp,
} from "@cm/protocol";
import { describe, expect, vi } from "vitest";
import { AWKWARD_NAMES } from "../awkward-names.js";
import { outcomeOf, scenarios, times } from "../store-scenarios.js";
import type { BusPart, PartHarness } from "./part-harness.js";

/** The notice to publish if another history begins. */
const NOTICE = { before: encodeUtf8("<"), after: encodeUtf8("anew>") };

const ROOM: Channel = { kind: "room", name: "lobby" };

/** Maximum time until an expected message arrives. */
const PATIENCE = { timeout: 10_000, interval: 5 };

/**
 * Contract tests for `History`, of a whole store or of a bus that keeps histories. A new harness is created for
 * each test. Configure the history to keep 1,000 messages per room.
 */
export function describeHistory(name: string, createHarness: () => Promise<PartHarness<BusPart>>): void {
  const it = scenarios(createHarness);

  describe(`${name}: history`, () => {
    it("begins before the first message, at a place that all stores agree on", async ({ store, peer }) => {
      const position = (await historyOf(store).since("lobby")).top;
      expect(position).toEqual({ epoch: expect.any(Number), offset: 0 });
      expect(position.epoch).toBeGreaterThan(0);
      const other = historyOf(await peer());
      expect(await other.since("lobby")).toEqual({ top: position, complete: false, entries: [] });
      expect(await other.since("lobby", position, 10)).toEqual({ top: position, complete: true, entries: [] });
    });

    it("numbers, stores and publishes in one step: what is stored is what went over the wire, in that order", async (harness) => {
      const stores = [harness.store, await harness.peer(), await harness.peer()];
      const seen: string[] = [];
      await harness.store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      const begin = (await historyOf(harness.store).since("lobby")).top;
      const answers = await Promise.all(
        stores.flatMap((store, origin) =>
          times(50, (i) => historyOf(store).append("lobby", draft(i + 1, `${origin} ${i}`, `gw-${origin}`))),
        ),
      );
      expect(answers.map(({ offset }) => offset).sort((a, b) => a - b)).toEqual(times(150, (i) => i + 1));
      expect(new Set(answers.map(({ epoch }) => epoch))).toEqual(new Set([begin.epoch]));
      await vi.waitFor(() => expect(seen).toHaveLength(150), PATIENCE);
      const { top, complete, entries } = await historyOf(harness.store).since("lobby", begin, 1_000);
      expect({ top, complete }).toEqual({ top: { ...begin, offset: 150 }, complete: true });
      expect(entries.map(({ offset }) => offset)).toEqual(times(150, (i) => i + 1));
      expect(entries.map(({ message }) => textOf(message))).toEqual(seen);
      // The messages of one publisher keep their order, and each is stamped with its position.
      answers.slice(0, 50).forEach((position, i) => {
        expect(seen[position.offset - 1]).toBe(`<${historyStamp(position)}0 ${i}>`);
      });
    });

    it("returns a first message that alone exceeds a page, and leaves the next for another call", async ({ store }) => {
      const history = historyOf(store);
      const begin = (await history.since("lobby")).top;
      const large = "x".repeat(1_200_000);
      for (const n of [1, 2]) await history.append("lobby", draft(n, large, "gw-1"));
      for (const offset of [0, 1]) {
        const { complete, entries } = await history.since("lobby", { epoch: begin.epoch, offset }, 10);
        expect([complete, entries.map((entry) => entry.offset)]).toEqual([true, [offset + 1]]);
      }
    });

    it("returns the messages after a position, up to the requested number", async ({ store, peer }) => {
      const begin = await fill(store, 10);
      const history = historyOf(await peer());
      const at = (offset: number): HistoryPosition => ({ epoch: begin.epoch, offset });
      const offsets = async (from: HistoryPosition, limit: number) => {
        const { complete, entries } = await history.since("lobby", from, limit);
        return [complete, entries.map(({ offset }) => offset)];
      };
      expect(await offsets(at(0), 3)).toEqual([true, [1, 2, 3]]);
      expect(await offsets(at(3), 3)).toEqual([true, [4, 5, 6]]);
      expect(await offsets(at(8), 1_000)).toEqual([true, [9, 10]]);
      expect(await offsets(at(10), 1_000)).toEqual([true, []]);
      expect((await history.since("lobby", begin)).entries).toHaveLength(10);
      // A read without a position returns no messages.
      expect(await history.since("lobby")).toMatchObject({ top: at(10), complete: false, entries: [] });
    });

    it("reports a position of another history, or one that was never reached", async ({ store }) => {
      const begin = await fill(store, 3);
      const top = { ...begin, offset: 3 };
      const nothing = { top, complete: false, entries: [] };
      const other = begin.epoch === 7 ? 8 : 7;
      for (const from of [
        { ...begin, offset: 4 },
        { epoch: other, offset: 0 },
        { epoch: other, offset: 2 },
      ]) {
        expect(await historyOf(store).since("lobby", from, 10)).toEqual(nothing);
      }
    });

    it("keeps the latest thousand and says that older ones are gone", async ({ store }) => {
      const begin = await fill(store, 1_020);
      const { top, complete, entries } = await historyOf(store).since("lobby", { ...begin, offset: 10 }, 5);
      expect({ top: top.offset, complete }).toEqual({ top: 1_020, complete: false });
      expect(entries.map(({ offset }) => offset)).toEqual([21, 22, 23, 24, 25]);
      expect(await historyOf(store).since("lobby", { ...begin, offset: 20 }, 1)).toMatchObject({ complete: true });
      expect(await historyOf(store).since("lobby", { ...begin, offset: 19 }, 1)).toMatchObject({ complete: false });
    });

    it("detects repeated and late messages", async ({ store, peer }) => {
      const other = historyOf(await peer());
      const seen: string[] = [];
      await store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      const begin = (await historyOf(store).since("lobby")).top;
      const send = (sequence: number, origin = "gw-1", epoch = 7) =>
        other.append("lobby", draft(sequence, `${origin} ${epoch} ${sequence}`, origin, epoch));
      for (const sequence of [3, 1, 2, 2, 1, 3, 4, 70, 4, 69, 69, 70]) await send(sequence);
      await send(1, "gw-2");
      await send(1, "gw-1", 8);
      const last = await send(1, "gw-1", 8);
      const { entries } = await other.since("lobby", begin, 100);
      const texts = entries.map(({ message }) => textOf(message).replace(/^.*,/, "").replace(">", ""));
      const once = ["7 3", "7 1", "7 2", "7 4", "7 70", "7 69"].map((rest) => `gw-1 ${rest}`);
      expect(texts).toEqual([...once, "gw-2 7 1", "gw-1 8 1"]);
      expect(last).toEqual({ ...begin, offset: 8 });
      await vi.waitFor(() => expect(seen).toHaveLength(8), PATIENCE);
    });

    it("carries any bytes unchanged, and about a megabyte at a time", async ({ store, peer }) => {
      const history = historyOf(await peer());
      const begin = (await history.since("lobby")).top;
      const large = Uint8Array.from({ length: 600_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      const sender = (sequence: number) => ({ origin: "gw-1", epoch: 1, sequence });
      // Of a view, only its own bytes are sent, not the whole buffer behind it.
      const drafts = [large, large, all, all.subarray(100, 103), new Uint8Array(0)];
      for (const [i, after] of drafts.entries()) {
        await historyOf(store).append("lobby", { before: all, after, sender: sender(i + 1) });
      }
      const lengths: number[] = [];
      for (let from = begin; from.offset < drafts.length; ) {
        const { entries } = await history.since("lobby", from, 10);
        lengths.push(entries.length);
        for (const { offset, message } of entries) {
          from = { epoch: begin.epoch, offset };
          const after = drafts[offset - 1] ?? all;
          const expected = Buffer.concat([all, encodeUtf8(historyStamp(from)), after]);
          expect(Buffer.compare(expected, message), `message ${offset}`).toBe(0);
        }
      }
      expect(lengths).toEqual([1, 4]);
    });

    it("begins another epoch only if it was set back behind a position that it had reached", async ({ store }) => {
      const history = historyOf(store);
      const begin = await fill(store, 3);
      const top = { ...begin, offset: 3 };
      const seen: string[] = [];
      await store.bus.subscribe(ROOM, (message) => seen.push(textOf(message)));
      for (const reached of [begin, top, { epoch: begin.epoch === 7 ? 8 : 7, offset: 9 }]) {
        expect(await history.restart("lobby", reached, NOTICE)).toEqual(top);
      }
      const anew = await history.restart("lobby", { ...begin, offset: 4 }, NOTICE);
      expect(anew.offset).toBe(0);
      expect(anew.epoch).not.toBe(begin.epoch);
      // Subscribers get the notice of the restart, and nothing else.
      await vi.waitFor(() => expect(seen).toEqual([`<${historyStamp(anew)}anew>`]), PATIENCE);
      const former = { ...begin, offset: 4 };
      expect(await history.since("lobby", anew, 10)).toEqual({ top: anew, complete: true, former, entries: [] });
      expect(await history.append("lobby", draft(4, "next"))).toEqual({ ...anew, offset: 1 });
      expect(await history.since("lobby", top, 10)).toMatchObject({ complete: false, former, entries: [] });
    });

    it("begins another epoch again for a reader that had come further in the previous history, and notifies all readers", async ({
      store,
    }) => {
      const history = historyOf(store);
      const begin = await fill(store, 3);
      const second = await history.restart("lobby", { ...begin, offset: 9 }, NOTICE);
      const top = await history.append("lobby", draft(4, "next"));
      // A reader that had reached at most the announced offset causes no restart.
      for (const offset of [3, 9]) expect(await history.restart("lobby", { ...begin, offset }, NOTICE)).toEqual(top);
      const third = await history.restart("lobby", { ...begin, offset: 10 }, NOTICE);
      expect(third).toEqual({ epoch: expect.any(Number), offset: 0 });
      expect([begin.epoch, second.epoch]).not.toContain(third.epoch);
      const former = { epoch: second.epoch, offset: 2 };
      expect(await history.since("lobby", third, 10)).toEqual({ top: third, complete: true, former, entries: [] });
      expect(await history.restart("lobby", { ...begin, offset: 99 }, NOTICE)).toEqual(third);
    });

    it("keeps rooms of awkward names apart", async ({ store }) => {
      const history = historyOf(store);
      for (const [i, room] of AWKWARD_NAMES.entries()) {
        for (let sequence = 1; sequence <= (i % 3) + 1; sequence++) await history.append(room, draft(sequence, room));
      }
      for (const [i, room] of AWKWARD_NAMES.entries()) {
        const { epoch, offset } = (await history.since(room)).top;
        expect([room, offset]).toEqual([room, (i % 3) + 1]);
        const { entries } = await history.since(room, { epoch, offset: 0 }, 10);
        for (const { message } of entries) expect(textOf(message).endsWith(`,${room}>`)).toBe(true);
      }
    });

    it("refuses a page size of zero, or one that is too large", async ({ store }) => {
      for (const limit of [0, -1, 0.5, 1_001]) {
        expect(await outcomeOf(historyOf(store).since("lobby", { epoch: 1, offset: 0 }, limit))).toBe(
          "options-invalid",
        );
      }
    });
  });
}

/** Throws if there is no history. */
function historyOf({ bus }: BusPart): History {
  if (bus.history === undefined) {
    throw new Error("This store's bus keeps no history: say so with skip: { history: the reason }.");
  }
  return bus.history;
}

function draft(sequence: number, text: string, origin = "gw-1", epoch = 7): HistoryDraft {
  return { before: encodeUtf8("<"), after: encodeUtf8(`${text}>`), sender: { origin, epoch, sequence } };
}

/** Appends `count` messages. Returns the position at which the history began. */
async function fill(store: BusPart, count: number): Promise<HistoryPosition> {
  const history = historyOf(store);
  const begin = (await history.since("lobby")).top;
  await Promise.all(times(count, (i) => history.append("lobby", draft(i + 1, `${i}`))));
  return begin;
}

function textOf(message: Uint8Array): string {
  return decodeUtf8(message) ?? "";
}
