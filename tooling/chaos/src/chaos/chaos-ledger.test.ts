import { describe, expect, it } from "vitest";
import { ChaosLedger } from "./chaos-ledger.js";
import { SeededRandom } from "./seeded-random.js";

function publish(ledger: ChaosLedger, room = "lobby"): number {
  const n = ledger.publish(room);
  ledger.acknowledge(n);
  return n;
}

describe("the ledger of a chaos run", () => {
  it("is content if every member got every message once", () => {
    const ledger = new ChaosLedger();
    const books = [ledger.open("ann", "lobby"), ledger.open("bob", "lobby")];
    ledger.open("cid", "elsewhere");
    const n = publish(ledger);
    for (const book of books) ledger.receive(book, n, "ann");
    expect(ledger.silentLosses()).toEqual([]);
    ledger.settle();
    expect(ledger.violations).toEqual([]);
  });

  it("detects a loss that was not reported", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    ledger.gap(book);
    const n = publish(ledger);
    expect(ledger.silentLosses()).toEqual([`ann in lobby never got message ${n} and was not told`]);
    ledger.settle();
    expect(ledger.violations).toHaveLength(1);
  });

  it("accepts a loss that was reported to the member, and counts it", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    publish(ledger);
    ledger.gap(book);
    ledger.settle();
    expect([ledger.violations, ledger.counts.reportedMissing]).toEqual([[], 1]);
  });

  it("accepts a gap for exactly its number of messages, and for none that came after it", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    const lost = [publish(ledger), publish(ledger), publish(ledger)];
    ledger.gap(book, 2);
    expect(ledger.silentLosses()).toEqual([`ann in lobby was told of 2 messages, and never got ${lost.join(", ")}`]);
    ledger.gap(book, 1);
    expect(ledger.silentLosses()).toEqual([]);
    // A gap may report more messages than were lost, because refused ones are included.
    ledger.gap(book, 5);
    const later = publish(ledger);
    expect(ledger.silentLosses()).toEqual([`ann in lobby never got message ${later} and was not told`]);
    ledger.receive(book, later, "bob");
    ledger.settle();
    expect([ledger.violations, ledger.counts.reportedMissing]).toEqual([[], 3]);
  });

  it("does not apply a gap that was reported earlier to later losses", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    ledger.gap(book, 10);
    ledger.settle();
    const lost = [publish(ledger), publish(ledger)];
    ledger.gap(book, 1);
    expect(ledger.silentLosses()).toEqual([`ann in lobby was told of 1 messages, and never got ${lost.join(", ")}`]);
  });

  it("requires nothing for members that joined later or have left, nor for unacknowledged messages", () => {
    const ledger = new ChaosLedger();
    const gone = ledger.open("ann", "lobby");
    ledger.publish("lobby");
    publish(ledger);
    ledger.close(gone);
    ledger.open("bob", "lobby");
    ledger.settle();
    expect(ledger.violations).toEqual([]);
  });

  it("detects duplicates, and messages of one publisher in another order", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    const [first, second] = [publish(ledger), publish(ledger)];
    ledger.receive(book, second, "bob");
    ledger.receive(book, second, "bob");
    ledger.receive(book, first, "bob");
    expect(ledger.violations).toEqual([`ann got message ${second} twice`, `ann got ${first} of bob after ${second}`]);
  });

  it("expects the messages published during an absence only for a client that recovers", () => {
    const ledger = new ChaosLedger();
    const [comesBack, staysAway] = [ledger.open("ann", "lobby"), ledger.open("bob", "lobby")];
    for (const book of [comesBack, staysAway]) ledger.suspend(book);
    const n = publish(ledger);
    expect(ledger.silentLosses()).toEqual([]);
    ledger.resume(comesBack);
    expect(ledger.silentLosses()).toEqual([`ann in lobby never got message ${n} and was not told`]);
    ledger.receive(comesBack, n, "cid");
    expect(ledger.silentLosses()).toEqual([]);
    expect(ledger.counts.recoveries).toBe(1);
  });

  it("detects duplicates even after its accounts were closed", () => {
    const ledger = new ChaosLedger();
    const book = ledger.open("ann", "lobby");
    const n = publish(ledger);
    ledger.receive(book, n, "bob");
    ledger.settle();
    ledger.receive(book, n, "bob");
    expect(ledger.violations).toEqual([`ann got message ${n} twice`]);
  });
});

it("the random numbers of a seed are the same each time, and others for another seed", () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 5 }, () => random.between(1, 1_000_000));
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});
