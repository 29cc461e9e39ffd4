import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Incarnation } from "../servers/server-table.js";
import { Roster } from "./roster.js";

const alpha: Incarnation = { serverId: "alpha", incarnation: "aaaa", expiresAtMs: 1 };
const beta: Incarnation = { serverId: "beta", incarnation: "bbbb", expiresAtMs: 1 };
const everybody = () => true;

function member(id: number) {
  return { connectionId: `c${id}`, userId: `u${id}` };
}

function readAll(roster: Roster, until: number, limit: number): string[] {
  const seen: string[] = [];
  let after = 0;
  for (;;) {
    const { items, next } = roster.page(after, until, limit, everybody);
    seen.push(...items.map(({ connectionId }) => connectionId));
    if (next === undefined) return seen;
    expect(items).toHaveLength(limit);
    after = next;
  }
}

describe("roster", () => {
  it("agrees with a plain list over any joins and leaves, in pages of any size", () => {
    const step = fc.record({ id: fc.nat(60), join: fc.boolean(), owner: fc.constantFrom(alpha, beta) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 1, max: 9 }), (steps, limit) => {
        const roster = new Roster();
        const model = new Map<string, Incarnation>();
        let order = 0;
        for (const { id, join, owner } of steps) {
          const { connectionId } = member(id);
          if (join) {
            roster.add(member(id), owner, ++order);
            if (model.get(connectionId) !== owner) model.delete(connectionId);
            model.set(connectionId, owner);
          } else {
            roster.remove(connectionId, owner);
            if (model.get(connectionId) === owner) model.delete(connectionId);
          }
        }
        expect(readAll(roster, order, limit)).toEqual([...model.keys()]);
        expect(roster.size).toBe(model.size);
        for (const owner of [alpha, beta]) {
          const own = [...model.values()].filter((each) => each === owner).length;
          expect(roster.count((each) => each === owner)).toBe(own);
        }
        const evicted = roster.removeAll((owner) => owner === alpha).map(({ connectionId }) => connectionId);
        expect(evicted).toEqual([...model].filter(([, owner]) => owner === alpha).map(([id]) => id));
        expect(roster.count(everybody)).toBe(roster.size);
      }),
      { numRuns: 500 },
    );
  });

  it("omits members that joined after the reading began, so that a reading ends", () => {
    const roster = new Roster();
    for (let i = 1; i <= 10; i++) roster.add(member(i), alpha, i);
    expect(roster.page(0, 5, 10, everybody)).toMatchObject({ items: { length: 5 }, next: undefined });
  });

  it("reads a page in the middle of 100,000 without walking there", () => {
    const roster = new Roster();
    for (let i = 1; i <= 100_000; i++) roster.add(member(i), alpha, i);
    let asked = 0;
    const lives = () => {
      asked++;
      return true;
    };
    const { items } = roster.page(50_000, 100_000, 100, lives);
    expect(items[0]).toEqual(member(50_001));
    expect(asked).toBeLessThanOrEqual(101);
  });
});
