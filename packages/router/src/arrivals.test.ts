import { type CrossServerMessage, decodeEnvelope, encodeEnvelope } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { type Arrival, Arrivals as Origins } from "./arrivals.js";

const at = (epoch: number, sequence: number) => ({ epoch, sequence });

function bytesOf(origin: string, target: string, position: { epoch: number; sequence: number }): Uint8Array {
  return encodeEnvelope({ kind: "room", origin, target, except: [], payload: new Uint8Array(3), ...position });
}

function messageOf(origin: string, position: { epoch: number; sequence: number }): CrossServerMessage {
  const decoded = decodeEnvelope(bytesOf(origin, "lobby", position));
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

/** Judges as a receiver does: the origin first, then the position. */
class Arrivals {
  readonly #origins = new Origins();

  judge(origin: string, position: { epoch: number; sequence: number }): Arrival {
    return this.#origins.of(messageOf(origin, position)).judge(position);
  }
}

describe("Arrivals", () => {
  it("takes numbers that follow each other", () => {
    const arrivals = new Arrivals();
    expect([1, 2, 3].map((sequence) => arrivals.judge("a", at(7, sequence)).kind)).toEqual(["fresh", "fresh", "fresh"]);
  });

  it("takes whatever comes first for the beginning", () => {
    expect(new Arrivals().judge("a", at(7, 900))).toEqual({ kind: "fresh" });
  });

  it("knows a number that was passed already", () => {
    const arrivals = new Arrivals();
    for (const sequence of [5, 6, 7]) arrivals.judge("a", at(1, sequence));
    expect(arrivals.judge("a", at(1, 7)).kind).toBe("duplicate");
    expect(arrivals.judge("a", at(1, 5)).kind).toBe("duplicate");
    expect(arrivals.judge("a", at(1, 8)).kind).toBe("fresh");
  });

  it("counts what is missing, once", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 1));
    expect(arrivals.judge("a", at(1, 5))).toEqual({ kind: "after-gap", missed: 3 });
    expect(arrivals.judge("a", at(1, 6))).toEqual({ kind: "fresh" });
  });

  it("keeps origins apart", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 10));
    expect(arrivals.judge("b", at(1, 3)).kind).toBe("fresh");
    expect(arrivals.judge("a", at(1, 11)).kind).toBe("fresh");
  });

  it("begins anew with a new numbering, and counts what that one had before", () => {
    const arrivals = new Arrivals();
    arrivals.judge("a", at(1, 10));
    expect(arrivals.judge("a", at(2, 1))).toEqual({ kind: "fresh" });
    expect(arrivals.judge("a", at(3, 4))).toEqual({ kind: "after-gap", missed: 3 });
  });

  it("lets what is not numbered pass", () => {
    const arrivals = new Arrivals();
    expect([0, 0].map((sequence) => arrivals.judge("a", at(0, sequence)).kind)).toEqual(["fresh", "fresh"]);
  });

  it("recognises the origins that it knows by the bytes alone, and nothing else", () => {
    const origins = new Origins();
    expect(origins.recognise(bytesOf("a", "lobby", at(1, 1)))).toBeUndefined();
    const a = origins.of(messageOf("a", at(1, 1)));
    const b = origins.of(messageOf("b", at(1, 1)));
    expect(origins.recognise(bytesOf("a", "lobby", at(9, 77)))).toBe(a);
    expect(origins.recognise(bytesOf("b", "lobby", at(1, 2)))).toBe(b);
    expect(origins.recognise(bytesOf("c", "lobby", at(1, 2)))).toBeUndefined();
    expect(origins.recognise(bytesOf("a", "another", at(1, 2)))).toBeUndefined();
    expect(origins.recognise(new Uint8Array(3))).toBeUndefined();
    const damaged = bytesOf("a", "lobby", at(1, 2));
    damaged[13] = 0xff;
    expect(origins.recognise(damaged)).toBeUndefined();
  });
});
