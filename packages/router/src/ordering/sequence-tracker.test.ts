import { type CrossServerMessage, decodeEnvelope, encodeEnvelope } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { ChannelTracker, SequenceTracker, type Verdict } from "./sequence-tracker.js";

const at = (epoch: number, sequence: number) => ({ epoch, sequence });

function bytesOf(origin: string, target: string, position: { epoch: number; sequence: number }): Uint8Array {
  return encodeEnvelope({ kind: "room", origin, target, except: [], payload: new Uint8Array(3), ...position });
}

function messageOf(origin: string, position: { epoch: number; sequence: number }): CrossServerMessage {
  const decoded = decodeEnvelope(bytesOf(origin, "lobby", position));
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

/** Judges messages like a receiver: first finds the tracker of the origin, then judges the number. */
class Receiver {
  readonly #trackers = new ChannelTracker();

  judge(origin: string, position: { epoch: number; sequence: number }): Verdict {
    return this.#trackers.of(messageOf(origin, position)).judge(position);
  }
}

describe("ChannelTracker", () => {
  it("takes numbers that follow each other", () => {
    const receiver = new Receiver();
    expect([1, 2, 3].map((sequence) => receiver.judge("a", at(7, sequence)).kind)).toEqual(["fresh", "fresh", "fresh"]);
  });

  it("accepts the first number of an origin as its beginning", () => {
    expect(new Receiver().judge("a", at(7, 900))).toEqual({ kind: "fresh" });
  });

  it("knows a number that was passed already", () => {
    const receiver = new Receiver();
    for (const sequence of [5, 6, 7]) receiver.judge("a", at(1, sequence));
    expect(receiver.judge("a", at(1, 7)).kind).toBe("duplicate");
    expect(receiver.judge("a", at(1, 5)).kind).toBe("duplicate");
    expect(receiver.judge("a", at(1, 8)).kind).toBe("fresh");
  });

  it("counts what is missing, once", () => {
    const receiver = new Receiver();
    receiver.judge("a", at(1, 1));
    expect(receiver.judge("a", at(1, 5))).toEqual({ kind: "after-gap", missed: 3 });
    expect(receiver.judge("a", at(1, 6))).toEqual({ kind: "fresh" });
  });

  it("keeps origins apart", () => {
    const receiver = new Receiver();
    receiver.judge("a", at(1, 10));
    expect(receiver.judge("b", at(1, 3)).kind).toBe("fresh");
    expect(receiver.judge("a", at(1, 11)).kind).toBe("fresh");
  });

  it("begins again with a new numbering, and counts what that one had before", () => {
    const receiver = new Receiver();
    receiver.judge("a", at(1, 10));
    expect(receiver.judge("a", at(2, 1))).toEqual({ kind: "fresh" });
    expect(receiver.judge("a", at(3, 4))).toEqual({ kind: "after-gap", missed: 3 });
  });

  it("accepts unnumbered messages", () => {
    const receiver = new Receiver();
    expect([0, 0].map((sequence) => receiver.judge("a", at(0, sequence)).kind)).toEqual(["fresh", "fresh"]);
  });

  it("recognizes the origins that it knows by the bytes alone, and nothing else", () => {
    const origins = new ChannelTracker();
    expect(origins.recognize(bytesOf("a", "lobby", at(1, 1)))).toBeUndefined();
    const a = origins.of(messageOf("a", at(1, 1)));
    const b = origins.of(messageOf("b", at(1, 1)));
    expect(origins.recognize(bytesOf("a", "lobby", at(9, 77)))).toBe(a);
    expect(origins.recognize(bytesOf("b", "lobby", at(1, 2)))).toBe(b);
    expect(origins.recognize(bytesOf("c", "lobby", at(1, 2)))).toBeUndefined();
    expect(origins.recognize(bytesOf("a", "another", at(1, 2)))).toBeUndefined();
    expect(origins.recognize(new Uint8Array(3))).toBeUndefined();
    const damaged = bytesOf("a", "lobby", at(1, 2));
    damaged[13] = 0xff;
    expect(origins.recognize(damaged)).toBeUndefined();
  });

  describe("compared with what an origin says of itself", () => {
    const reported = (epoch: number, sequence: number, isWhole = false) => ({ epoch, sequence, isWhole });

    /**
     * Returns the tracker of an origin after the messages `before`, an interruption, and the messages
     * `since`.
     */
    function heard(before: readonly [number, number][], since: readonly [number, number][] = []) {
      const origins = new ChannelTracker();
      const tracker = origins.of(messageOf("a", at(1, 1)));
      for (const [epoch, sequence] of before) tracker.judge(at(epoch, sequence));
      origins.markReported();
      for (const [epoch, sequence] of since) tracker.judge(at(epoch, sequence));
      return tracker;
    }

    it("miss the messages numbered after the last one that arrived", () => {
      expect(heard([[7, 3]]).missing(reported(7, 3))).toBe(0);
      expect(heard([[7, 3]]).missing(reported(7, 8))).toBe(5);
      expect(heard([[7, 3]], [[7, 9]]).missing(reported(7, 8))).toBe(0);
    });

    it("miss the beginning of what began after the subscription, and can't say if it began before", () => {
      expect(heard([]).missing(reported(7, 4, true))).toBe(4);
      expect(heard([]).missing(reported(7, 4, false))).toBeUndefined();
      expect(heard([], [[7, 3]]).missing(reported(7, 4, true))).toBe(3);
      expect(heard([], [[7, 3]]).missing(reported(7, 4, false))).toBeUndefined();
      expect(heard([], [[7, 1]]).missing(reported(7, 2, false))).toBe(1);
    });

    it("can't say what is missing of a numbering that was given up", () => {
      expect(heard([[7, 3]]).missing(reported(8, 2, true))).toBeUndefined();
      expect(heard([[7, 3]], [[8, 1]]).missing(reported(8, 1, true))).toBeUndefined();
      expect(heard([[7, 3]]).missing(reported(0, 0))).toBeUndefined();
    });

    it("miss nothing of one that has numbered nothing", () => {
      expect(heard([]).missing(reported(0, 0))).toBe(0);
      // The sequencer began after the origin had responded.
      expect(heard([], [[7, 1]]).missing(reported(0, 0))).toBe(0);
    });

    it("continue from what it said, and miss nothing twice", () => {
      for (const [before, position, next] of [
        [[[7, 3]], reported(7, 8), at(7, 9)],
        [[[7, 3]], reported(8, 5), at(8, 6)],
        [[], reported(7, 4), at(7, 5)],
      ] as const) {
        const tracker = heard(before.map(([epoch, sequence]) => [epoch, sequence]));
        tracker.catchUp(position);
        expect(tracker.missing(position)).toBe(0);
        expect(tracker.judge(position).kind).toBe("duplicate");
        expect(tracker.judge(next).kind).toBe("fresh");
      }
      const gone = heard([[7, 3]]);
      gone.catchUp(reported(0, 0));
      expect(gone.missing(reported(0, 0))).toBe(0);
    });

    it("keep what has arrived since where that is later than what it said", () => {
      const tracker = heard([[7, 3]], [[9, 1]]);
      tracker.catchUp(reported(8, 5));
      expect(tracker.judge(at(9, 2)).kind).toBe("fresh");
      const same = heard([[7, 3]], [[7, 9]]);
      same.catchUp(reported(7, 5));
      expect(same.judge(at(7, 9)).kind).toBe("duplicate");
    });
  });
});

/** A number that no origin has reached. */
const HUGE = 2 ** 45;

describe("a message with an implausible number", () => {
  it("is delivered, and its number is not believed: neither as a gap nor as the last one", () => {
    const tracker = new SequenceTracker({ kind: "room", origin: "gw-a", target: "lobby" });
    expect(tracker.judge({ epoch: 7, sequence: 1 }).kind).toBe("fresh");
    expect(tracker.judge({ epoch: 7, sequence: HUGE })).toEqual({ kind: "implausible" });
    expect(tracker.judge({ epoch: 7, sequence: 2 }).kind).toBe("fresh");
    expect(tracker.judge({ epoch: 7, sequence: 5 })).toEqual({ kind: "after-gap", missed: 2 });
    expect(tracker.judge({ epoch: 8, sequence: HUGE })).toEqual({ kind: "implausible" });
    expect(tracker.judge({ epoch: 7, sequence: 6 }).kind).toBe("fresh");
  });

  it("is believed if the next number follows on it", () => {
    const tracker = new SequenceTracker({ kind: "room", origin: "gw-a", target: "lobby" });
    tracker.judge({ epoch: 7, sequence: 1 });
    expect(tracker.judge({ epoch: 8, sequence: HUGE })).toEqual({ kind: "implausible" });
    expect(tracker.judge({ epoch: 8, sequence: HUGE + 1 }).kind).toBe("fresh");
    expect(tracker.judge({ epoch: 8, sequence: HUGE + 3 })).toEqual({ kind: "after-gap", missed: 1 });
  });
});

it("an origin's report of an implausible number counts no messages as missing", () => {
  const tracker = new SequenceTracker({ kind: "room", origin: "gw-a", target: "lobby" });
  expect(tracker.missing({ epoch: 7, sequence: HUGE, isWhole: true })).toBeUndefined();
  tracker.judge({ epoch: 7, sequence: 1 });
  expect(tracker.missing({ epoch: 7, sequence: HUGE, isWhole: true })).toBeUndefined();
});

it.each([1, 2, 5])(
  "a publisher under 30,000 names, each used %i times, does not make a channel forget the servers that it hears",
  (times) => {
    const channel = new ChannelTracker();
    const of = (origin: string) => channel.of({ kind: "room", origin, target: "lobby" });
    const judge = (origin: string, sequences: readonly number[]) =>
      sequences.map((sequence) => of(origin).judge({ epoch: 7, sequence })).at(-1);
    judge("quiet", [1, 2]);
    judge("gw-a", [1, 2, 3, 4, 5, 6]);
    const sequences = Array.from({ length: times }, (_, index) => index + 1);
    for (let i = 0; i < 30_000; i++) {
      judge(`stranger-${i}`, sequences);
      // This server starts in the middle of the flood.
      if (i === 12_000) judge("gw-b", [1, 2, 3, 4, 5, 6]);
    }
    expect([...channel.origins()].length).toBeLessThanOrEqual(10_000);
    for (const server of ["gw-a", "gw-b"]) expect(judge(server, [9]), server).toEqual({ kind: "after-gap", missed: 2 });
    if (times <= 2) expect(judge("quiet", [5])).toEqual({ kind: "after-gap", missed: 2 });
  },
);
