import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import type { Bus, BusHandler, History, ResumeHandler, Store } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RouterOptions } from "../options.js";
import { type Server, startServer } from "../router.fixture.js";
import { epochNotice } from "./epoch-notice.js";

/** Wraps a store, so that a test can cut off its subscriptions and its history. */
class Link {
  readonly store: Store;
  readonly bus: Bus;
  readonly history: History;
  isDeaf = false;
  isHistoryOut = false;
  /** Whether the history has kept its position but lost all of its messages. */
  isHistoryEmptied = false;
  /** Number of reads of the history so far. */
  reads = 0;
  /** The handler of a room, to pass it a message that was in flight. */
  handler: BusHandler = () => undefined;
  #resumed: ResumeHandler | undefined;

  constructor(store: Store) {
    const { bus } = store;
    const { history } = bus;
    if (history === undefined) throw new Error("A memory store keeps histories.");
    this.store = store;
    this.history = {
      append: (room, draft) => history.append(room, draft),
      restart: (room, reached, notice) => history.restart(room, reached, notice),
      link: history.link,
      since: (room, from, limit) => {
        // A read without a position only asks for the top of the history.
        if (from !== undefined) this.reads++;
        if (this.isHistoryOut) return Promise.reject(new Error("The history is out."));
        const slice = history.since(room, from, limit);
        return this.isHistoryEmptied ? slice.then((full) => ({ ...full, complete: false, entries: [] })) : slice;
      },
    };
    this.bus = {
      publish: (channel, message) => bus.publish(channel, message),
      subscribe: (channel, handler, onResumed) => {
        if (channel.kind !== "room") return bus.subscribe(channel, handler, onResumed);
        this.handler = handler;
        this.#resumed = onResumed;
        return bus.subscribe(channel, (message) => {
          if (!this.isDeaf) handler(message);
        });
      },
      history: this.history,
    };
  }

  resume(): void {
    this.isDeaf = false;
    this.#resumed?.(0);
  }
}

const LIMIT = { maxMessages: 10, maxBytes: 1_000 };
const IS_RECOVERABLE = { isRecoverable: () => true };

async function startTwo(options: { historyMaxMessages?: number } = {}) {
  const hub = createMemoryHub();
  const link = new Link(createMemoryStore({ hub, ...options }));
  const { store, bus } = link;
  const a = await startServer("a", store, { ...IS_RECOVERABLE, store: { ...store, bus } });
  const other = createMemoryStore({ hub, ...options });
  const b = await startServer("b", other, IS_RECOVERABLE);
  await a.router.enter("lobby");
  return { hub, link, a, b };
}

const send = (server: Server, n: number): Promise<unknown> => server.router.toRoom("lobby", `{"n":${n}}`);
const numberIn = (text: string): number => (JSON.parse(text) as { n: number }).n; // The test's own frames.
const numbersOf = ({ sockets }: Server): number[] => sockets.rooms.map(({ text }) => numberIn(text));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const step = fc.constantFrom("publish", "publish", "burst", "cut", "resume", "turn", "repeat", "lose");

describe("the messages of a recoverable room", () => {
  it("arrive once and in order whatever interrupts them: 300 random courses of events", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, isShort) => {
        const { link, a, b } = await startTwo(isShort ? { historyMaxMessages: 5 } : {});
        let n = 0;
        let losses = 0;
        for (const [i, event] of steps.entries()) {
          const publisher = i % 2 === 0 ? a : b;
          if (event === "publish") await send(publisher, ++n);
          if (event === "burst") await Promise.all(Array.from({ length: 8 }, () => send(publisher, ++n)));
          if (event === "cut") link.isDeaf = true;
          if (event === "resume") link.resume();
          if (event === "turn") await turn();
          if (event === "repeat") await repeatLast(link);
          if (event === "lose") {
            // Begin another epoch, as if the history had been lost.
            const { epoch } = (await link.history.since("lobby")).top;
            await link.history.restart("lobby", { epoch, offset: 2 ** 40 }, epochNotice("x", "lobby"));
            losses++;
          }
        }
        link.resume();
        await send(b, ++n);
        await eventually(() => expect(numbersOf(a).at(-1)).toBe(n), { intervalMs: 1, timeoutMs: 1_000 });
        const got = numbersOf(a);
        expect(got).toEqual([...new Set(got)].sort((x, y) => x - y));
        const reported = a.gaps.reduce((sum, { known }) => sum + (known?.missed ?? 0), 0);
        if (losses === 0) {
          expect(a.gaps.filter(({ known }) => known === undefined)).toEqual([]);
          expect(n - got.length).toBe(reported);
          if (!isShort) expect(got).toEqual(upTo(n));
        } else if (got.length < n) {
          expect(a.gaps).not.toEqual([]);
        }
        await Promise.all([a.router.close(), b.router.close()]);
      }),
      { numRuns: 300 },
    );
  });

  it("wait for those before them while the history can't be read", async () => {
    const { link, a, b } = await startTwo();
    link.isDeaf = true;
    await send(b, 1);
    await turn();
    link.isDeaf = false;
    link.isHistoryOut = true;
    for (const n of [2, 3]) await send(b, n);
    await turn();
    expect(numbersOf(a)).toEqual([]);
    link.isHistoryOut = false;
    await eventually(() => expect(numbersOf(a)).toEqual([1, 2, 3]));
    expect(a.gaps).toEqual([]);
  });

  it("are delivered if they came over the channel and the history lost them before it was read", async () => {
    const { link, a, b } = await startTwo();
    await send(b, 1);
    await eventually(() => expect(numbersOf(a)).toEqual([1]));
    link.isHistoryEmptied = true;
    link.isDeaf = true;
    await send(b, 2);
    await turn();
    link.isDeaf = false;
    await Promise.all([3, 4].map((n) => send(b, n)));
    await eventually(() => expect(numbersOf(a)).toEqual([1, 3, 4]));
    expect(a.gaps).toEqual([{ room: "lobby", known: { missed: 1 } }]);
    await send(b, 5);
    await eventually(() => expect(numbersOf(a)).toEqual([1, 3, 4, 5]));
  });

  it("are not promised to a client if the history's position is unknown", async () => {
    const { link, a, b } = await startTwo();
    link.isHistoryOut = true;
    await expect(a.router.enter("other")).rejects.toMatchObject({ code: "unavailable" });
    expect(a.router.stats().rooms).toBe(1);
    link.isHistoryOut = false;
    await a.router.enter("other");
    await b.router.toRoom("other", '{"n":1}');
    await eventually(() => expect(numbersOf(a)).toEqual([1]));
  });

  it("are read again if more came meanwhile than is held back", async () => {
    const { link, a, b } = await startTwo({ historyMaxMessages: 5_000 });
    link.isDeaf = true;
    await send(b, 1);
    await turn();
    link.isDeaf = false;
    link.isHistoryOut = true;
    for (let n = 2; n <= 2_500; n++) await send(b, n);
    await turn();
    link.isHistoryOut = false;
    await eventually(() => expect(a.sockets.rooms).toHaveLength(2_500));
    expect(numbersOf(a)).toEqual(upTo(2_500));
    expect(a.gaps).toEqual([]);
  });

  it("reach servers that know nothing of histories, and come from them, in a mixed cluster", async () => {
    const { hub, link, a, b } = await startTwo();
    const plain = await startServer("plain", createMemoryStore({ hub }));
    await plain.router.enter("lobby");
    await send(b, 1);
    await send(plain, 2);
    await send(b, 3);
    for (const server of [a, plain]) await eventually(() => expect(numbersOf(server)).toEqual([1, 2, 3]));
    expect([...a.gaps, ...plain.gaps]).toEqual([]);
    // The message that `plain` sends during an interruption is in no history: members are notified that messages
    // may be missing.
    link.isDeaf = true;
    await send(plain, 4);
    await send(b, 5);
    await turn();
    link.resume();
    await eventually(() => expect(numbersOf(a)).toEqual([1, 2, 3, 5]));
    expect(a.gaps).toEqual([{ room: "lobby", known: undefined }]);
  });

  it("continue under another history at once, and clients never see that it was begun", async () => {
    const { hub, link, a, b } = await startTwo();
    const plain = await startServer("plain", createMemoryStore({ hub }));
    await plain.router.enter("lobby");
    await send(b, 1);
    const { epoch } = (await link.history.since("lobby")).top;
    const anew = await link.history.restart("lobby", { epoch, offset: 2 }, epochNotice("b", "lobby"));
    // Server `a` continues without another publish.
    await eventually(() => expect(a.router.positionOf("lobby")).toEqual(anew));
    expect(a.gaps).toEqual([{ room: "lobby", known: undefined }]);
    await send(b, 2);
    for (const server of [a, plain]) await eventually(() => expect(numbersOf(server)).toEqual([1, 2]));
    expect(plain.gaps).toEqual([]);
    expect([a, plain].map(({ router }) => router.stats().damaged)).toEqual([0, 0]);
  });

  it("exclude the excepted connections, also when they are read from the history", async () => {
    const { link, a, b } = await startTwo();
    link.isDeaf = true;
    await b.router.toRoom("lobby", '{"n":1}', ["b.aaaa01"]);
    await turn();
    link.resume();
    await eventually(() => expect(a.sockets.rooms).toMatchObject([{ except: ["b.aaaa01"] }]));
  });

  it("cost a client that returns to the present position, or to another epoch, one read of the history", async () => {
    const { link, a } = await startTwo();
    for (const n of upTo(3)) await send(a, n);
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(3)));
    const present = a.router.positionOf("lobby");
    if (present === undefined) throw new Error("The room is recoverable.");
    for (const from of [present, { epoch: present.epoch + 1, offset: 1 }, { epoch: present.epoch, offset: 1 }]) {
      link.reads = 0;
      await a.router.recover("lobby", from, LIMIT, () => undefined);
      expect(link.reads).toBe(1);
    }
  });

  it("are not read for a client that does not want them any more when its turn comes", async () => {
    const { link, a } = await startTwo();
    for (const n of upTo(3)) await send(a, n);
    await eventually(() => expect(numbersOf(a)).toEqual(upTo(3)));
    const { epoch = 0 } = a.router.positionOf("lobby") ?? {};
    link.reads = 0;
    const taken: unknown[] = [];
    await a.router.recover(
      "lobby",
      { epoch, offset: 1 },
      LIMIT,
      (recovery) => taken.push(recovery),
      () => false,
    );
    expect(taken).toEqual([{ recovered: false, position: { epoch, offset: 3 }, frames: [] }]);
    expect(link.reads).toBe(0);
  });

  it("are JSON objects, in text that members can read", async () => {
    const { a } = await startTwo();
    const outcome = (frame: string | Uint8Array) => a.router.toRoom("lobby", frame).catch(({ code }) => code);
    for (const frame of ["", "{}", "[1]", '"text"', " {}"]) expect(await outcome(frame)).toBe("frame-invalid");
    expect(await outcome(Buffer.from('{"n":1}'))).toEqual({});
    expect(await outcome(Buffer.concat([Buffer.from('{"'), Buffer.of(0xff), Buffer.from('":1}')]))).toBe(
      "frame-not-text",
    );
    await eventually(() => expect(numbersOf(a)).toEqual([1]));
  });
});

describe("options of recoverable rooms", () => {
  it("are refused if there is no history, and for rooms whose members may get messages past the bus", async () => {
    const store = createMemoryStore();
    const bus: Bus = {
      publish: (...args) => store.bus.publish(...args),
      subscribe: (...args) => store.bus.subscribe(...args),
    };
    const withoutHistory = { ...IS_RECOVERABLE, store: { ...store, bus } };
    await expect(startServer("a", store, withoutHistory)).rejects.toMatchObject({ code: "options-invalid" });
    const policies: Partial<RouterOptions>[] = [{ orderOf: () => "publisher" }, { whileDown: () => "deliver-locally" }];
    for (const policy of policies) {
      const other = createMemoryStore();
      const { router } = await startServer("a", other, { ...IS_RECOVERABLE, ...policy });
      await expect(router.toRoom("lobby", '{"n":1}')).rejects.toMatchObject({ code: "options-invalid" });
    }
  });

  it("decide what can be recovered: only rooms that are entered, and so many messages", async () => {
    const { a } = await startTwo();
    const take = () => undefined;
    const from = { epoch: 1, offset: 0 };
    expect(a.router.positionOf("other")).toBeUndefined();
    await expect(a.router.recover("other", from, LIMIT, take)).rejects.toMatchObject({ code: "options-invalid" });
    for (const wrong of [{ maxMessages: 0 }, { maxMessages: 10_001 }, { maxBytes: 0 }]) {
      const limit = { ...LIMIT, ...wrong };
      await expect(a.router.recover("lobby", from, limit, take)).rejects.toMatchObject({ code: "options-invalid" });
    }
  });
});

async function repeatLast({ history, handler, isDeaf }: Link): Promise<void> {
  const { epoch, offset } = (await history.since("lobby")).top;
  if (offset === 0 || isDeaf) return;
  const { entries } = await history.since("lobby", { epoch, offset: offset - 1 }, 1);
  for (const { message } of entries) handler(message);
}
