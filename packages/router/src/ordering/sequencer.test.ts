import { decodeEnvelope } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { Sequencer, Sequencers } from "./sequencer.js";

function createSequencers(max: number): Sequencers<Sequencer<string>> {
  return new Sequencers(max, (name) => new Sequencer(name, { kind: "room", origin: "a", target: name, except: [] }));
}

function read(bytes: Uint8Array) {
  const message = decodeEnvelope(bytes);
  if (!message.ok) throw message.error;
  return message.value;
}

describe("Sequencers", () => {
  it("counts from 1 without holes, each channel for itself, under one epoch", () => {
    const rows = createSequencers(10);
    const messages = [1, 2, 3].map(() => read(rows.of("x").message("hi")));
    expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(new Set(messages.map(({ epoch }) => epoch)).size).toBe(1);
    expect(read(rows.of("y").message("hi")).sequence).toBe(1);
  });

  it("forgets the oldest channel when it has too many, and begins it under another epoch", () => {
    const rows = createSequencers(2);
    const before = read(rows.of("x").message("hi"));
    rows.of("y");
    rows.of("z");
    expect(rows.size).toBe(2);
    const after = read(rows.of("x").message("hi"));
    expect(after.sequence).toBe(1);
    expect(after.epoch).not.toBe(before.epoch);
  });

  it("keeps nothing of a name that is none", () => {
    const rows = createSequencers(2);
    expect(() => rows.of("")).toThrowError(expect.objectContaining({ code: "name-invalid" }));
    expect(rows.size).toBe(0);
  });

  it("writes text and bytes alike, and a route of the message's own", () => {
    const row = createSequencers(2).of("x");
    const text = "żółć 🎲";
    expect(Buffer.from(read(row.message(text)).payload).toString()).toBe(text);
    expect(Buffer.from(read(row.message(Buffer.from(text))).payload).toString()).toBe(text);
    const except = ["a.abcd01"];
    const other = read(row.message("", { kind: "room", origin: "a", target: "x", except }));
    expect(other).toMatchObject({ except, sequence: 3 });
    expect(other.payload.length).toBe(0);
  });
});
