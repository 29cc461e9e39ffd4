import type { HistoryPosition, HistorySlice } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { BUFFERED_MAX } from "../ordering/reorder-buffer.js";
import { epochNotice } from "./epoch-notice.js";
import { FURTHEST, type OrderedMessage } from "./ordered-message.js";
import { OrderedRoom } from "./ordered-room.js";

describe("the messages of a recoverable room whose history is lost", () => {
  it("are delivered if the history has lost them and its read overtook them", async () => {
    const { room, reported, reads } = await openAlone((read) => ({
      top: { epoch: 1, offset: read === 1 ? 0 : 3 },
      complete: read === 1,
      former: undefined,
      entries: [],
    }));
    const caughtUp = room.catchUp();
    await eventually(() => expect(reads()).toBe(2));
    for (const offset of [1, 2, 3]) {
      await turn();
      room.take(messageAt({ epoch: 1, offset }));
    }
    expect(await caughtUp).toBe(true);
    expect(reported).toEqual(["1.1", "1.2", "1.3"]);
  });

  it("are delivered in order if every one of them began another epoch, and the history was ahead of the channel", async () => {
    const { room, reported, reads } = await openAlone((read) => {
      const epoch = read === 1 ? 1 : read < 4 ? 30 : 31;
      return sliceAt({ epoch, offset: read === 1 ? 0 : 1 }, read === 3 || read === 5);
    });
    void room.catchUp();
    await eventually(() => expect(reads()).toBe(2));
    // Only now does the channel bring the messages that were published before the read.
    for (let n = 2; n <= 30; n++) {
      await turn();
      room.take(messageAt({ epoch: n, offset: 1 }));
    }
    await eventually(() => expect(reads()).toBe(3));
    room.take(messageAt({ epoch: 31, offset: 1 }));
    await eventually(() => expect(reported).toContain("31.1"));
    expect(reads()).toBe(5);
    const got = reported.filter(isText);
    expect(got).toEqual(Array.from({ length: 30 }, (_, i) => `${i + 2}.1`));
  });

  it("are left out, and reported, if another Redis sends them under a lost epoch after later ones", async () => {
    const { room, reported } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : sliceAt({ epoch: 2, offset: 1 }, read === 3),
    );
    for (const epoch of [1, 2]) room.take(messageAt({ epoch, offset: 1 }));
    await eventually(() => expect(reported).toEqual(["1.1", "2.1"]));
    for (const offset of [2, 3]) room.take(messageAt({ epoch: 1, offset }));
    await eventually(() => expect(reported).toContainEqual(UNKNOWN_GAP));
    room.take(messageAt({ epoch: 2, offset: 2 }));
    await eventually(() => expect(reported).toContain("2.2"));
    expect(reported.filter(isText)).toEqual(["1.1", "2.1", "2.2"]);
  });

  it("are left out, and reported, if a replaced Redis sends them under offsets that were given again", async () => {
    const { room, reported, restarts } = await openAlone((read) =>
      sliceAt(read === 1 ? { epoch: 1, offset: 0 } : { epoch: 2, offset: 0 }),
    );
    for (const offset of [1, 2, 3]) room.take(messageAt({ epoch: 1, offset }));
    const late = [2, 3, 4, 5].map((offset) => ({ ...messageAt({ epoch: 1, offset }), id: 100 + offset }));
    for (const message of late) room.take(message);
    await eventually(() => expect(reported).toContainEqual(UNKNOWN_GAP));
    await room.catchUp();
    expect(restarts()).toBe(1);
    room.take(messageAt({ epoch: 2, offset: 1 }));
    expect(reported.filter(isText)).toEqual(["1.1", "1.2", "1.3", "2.1"]);
  });

  it("are delivered before a message that was published and read while a read began another epoch", async () => {
    const { room, reported, reads } = await openAlone((read) => {
      if (read === 1) return sliceAt({ epoch: 1, offset: 0 });
      // This read begins the epoch 9, because Redis lost the position of the epoch 3.
      if (read === 2) room.take(messageAt({ epoch: 3, offset: 1 }));
      return sliceAt({ epoch: 9, offset: read === 2 ? 0 : 1 }, read === 3);
    });
    room.take(messageAt({ epoch: 2, offset: 1 }));
    await eventually(() => expect(reads()).toBe(3));
    await turn();
    room.take(messageAt({ epoch: 9, offset: 1 }));
    await eventually(() => expect(reported).toContain("9.1"));
    expect(reported.filter(isText)).toEqual(["2.1", "3.1", "9.1"]);
  });

  it("are left out, and reported, if another server found that their offsets were given again", async () => {
    const { room, reported, restarts } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : { ...sliceAt({ epoch: 2, offset: 0 }), former: LOST_FORMER },
    );
    for (const offset of [1, 2, 3]) room.take(messageAt({ epoch: 1, offset }));
    // They arrive while the history is read for another reason.
    void room.catchUp();
    for (const offset of [2, 3, 4, 5]) room.take({ ...messageAt({ epoch: 1, offset }), id: 100 + offset });
    await eventually(() => expect(reported).toContainEqual(UNKNOWN_GAP));
    await room.catchUp();
    room.take(messageAt({ epoch: 2, offset: 1 }));
    expect(restarts()).toBe(0);
    expect(reported.filter(isText)).toEqual(["1.1", "1.2", "1.3", "2.1"]);
  });

  it("are left out, and reported, if they come under a lost epoch after the notice of the next one", async () => {
    const { room, reported } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : { ...sliceAt({ epoch: 2, offset: 0 }), former: LOST_FORMER },
    );
    room.take(messageAt({ epoch: 1, offset: 1 }));
    room.take(messageAt({ epoch: 2, offset: 0 }));
    await eventually(() => expect(room.position).toEqual({ epoch: 2, offset: 0 }));
    await room.catchUp();
    room.take(messageAt({ epoch: 1, offset: 2 }));
    await room.catchUp();
    room.take(messageAt({ epoch: 2, offset: 1 }));
    expect(reported.filter(isText)).toEqual(["1.1", "2.1"]);
    expect(reported).toContainEqual(UNKNOWN_GAP);
  });

  it("are left out, and reported, if they come under an epoch before the latest two", async () => {
    const { room, reported } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : sliceAt({ epoch: 3, offset: 0 }),
    );
    const held = [
      { epoch: 1, offset: 1 },
      { epoch: 2, offset: 1 },
      { epoch: 1, offset: 2 },
    ];
    for (const at of held) room.take(messageAt(at));
    await eventually(() => expect(reported).toContain("2.1"));
    await room.catchUp();
    room.take(messageAt({ epoch: 3, offset: 1 }));
    expect(reported.filter(isText)).toEqual(["1.1", "2.1", "3.1"]);
  });

  it("are delivered from the history after a second, and later ones left out, if the channel does not bring them", async () => {
    const { room, reported } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : sliceAt({ epoch: 3, offset: 1 }, read === 3),
    );
    room.take(messageAt({ epoch: 1, offset: 1 }));
    const beganAt = performance.now();
    await room.catchUp();
    expect(performance.now() - beganAt).toBeGreaterThan(900);
    expect(reported).toEqual(["1.1", UNKNOWN_GAP, "3.1"]);
    room.take(messageAt({ epoch: 2, offset: 1 }));
    await room.catchUp();
    expect(reported).toEqual(["1.1", UNKNOWN_GAP, "3.1", UNKNOWN_GAP]);
  });

  it("are delivered from the history at once if the channel was interrupted", async () => {
    const { room, reported } = await openAlone((read) =>
      read === 1 ? sliceAt({ epoch: 1, offset: 0 }) : sliceAt({ epoch: 3, offset: 1 }, read === 3),
    );
    const beganAt = performance.now();
    await room.resumed();
    expect(performance.now() - beganAt).toBeLessThan(900);
    expect(reported).toEqual([UNKNOWN_GAP, "3.1"]);
  });

  it("are reported as missing if too many wait and the history is then lost", async () => {
    let release = (): void => undefined;
    const firstRead = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { room, reported, reads } = await openAlone(async (read) => {
      if (read === 2) await firstRead;
      if (read <= 2) return sliceAt({ epoch: 1, offset: 0 });
      return sliceAt({ epoch: 2, offset: 1 }, read > 3);
    });
    void room.catchUp();
    await eventually(() => expect(reads()).toBe(2));
    for (let offset = 1; offset <= BUFFERED_MAX; offset++) room.take(messageAt({ epoch: 1, offset }));
    room.take(messageAt({ epoch: 2, offset: 1 }));
    release();
    await eventually(() => expect(reported).toContain("2.1"));
    expect(reported).toEqual([UNKNOWN_GAP, "2.1"]);
  });
});

const UNKNOWN_GAP = { missed: undefined };
const LOST_FORMER = { epoch: 1, offset: FURTHEST };
const isText = (frame: unknown): frame is string => typeof frame === "string";
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Returns what a read finds of a history whose former epochs are lost: its top, and the message there if asked for. */
function sliceAt(top: HistoryPosition, isRead = false): HistorySlice {
  const entries = isRead ? [{ offset: top.offset, message: messageAt(top).payload }] : [];
  return { top, complete: true, former: undefined, entries };
}

/**
 * Opens a room on a history whose n-th read returns `sliceOf(n)`; opening the room makes the first read. Returns
 * the room, the list of its deliveries and gaps, and functions that count the reads and the restarts.
 */
async function openAlone(sliceOf: (read: number) => HistorySlice | Promise<HistorySlice>) {
  const reported: unknown[] = [];
  let reads = 0;
  let restarts = 0;
  const room = new OrderedRoom({
    room: "lobby",
    history: {
      link: { onState: () => () => undefined },
      append: () => Promise.reject(new Error("This test does not publish.")),
      restart: async () => ({ epoch: ++restarts + 1, offset: 0 }),
      since: async () => sliceOf(++reads),
    },
    notice: epochNotice("x", "lobby"),
    deliver: (payload) => reported.push(Buffer.from(payload).toString()),
    read: (payload) => ({ id: idOf(payload), payload, except: [] }),
    onGap: (missed) => reported.push({ missed }),
    onDuplicate: () => undefined,
    onFilled: () => undefined,
  });
  onTestFinished(() => room.close());
  await room.open();
  return { room, reported, reads: () => reads, restarts: () => restarts };
}

function messageAt(at: HistoryPosition): OrderedMessage {
  const payload = Buffer.from(`${at.epoch}.${at.offset}`);
  return { at, id: idOf(payload), payload, except: [] };
}

const idOf = (payload: Uint8Array): number => Number(Buffer.from(payload).toString().replace(".", ""));
