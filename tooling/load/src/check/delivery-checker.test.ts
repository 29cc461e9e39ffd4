import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryChecker, type DeliveryFindings } from "./delivery-checker.js";

/** A message: publisher and sequence. */
type Message = readonly [publisher: number, sequence: number];

const CLEAN = {
  losses: 0,
  duplicates: 0,
  roomOrderViolations: 0,
  publisherOrderViolations: 0,
  orderUnchecked: 0,
  strays: 0,
  refusedYetDelivered: 0,
} satisfies Partial<DeliveryFindings>;

/**
 * Checks one room of three members that all publish; the streams are the messages that each member receives,
 * in order.
 */
function check(messages: readonly Message[], streams: readonly (readonly Message[])[]): DeliveryFindings {
  const checker = new DeliveryChecker({ rooms: 1, members: 3, publishers: 3 });
  for (const [publisher, sequence] of messages) checker.published(publisher, sequence, streams.length);
  streams.forEach((stream, member) => {
    for (const [publisher, sequence] of stream) checker.received(member, publisher, sequence);
  });
  return checker.findings();
}

const A0: Message = [0, 0];
const A1: Message = [0, 1];
const B0: Message = [1, 0];
const C0: Message = [2, 0];
const ALL = [A0, B0, A1, C0];

test("Members that see the same order leave nothing to complain about", () => {
  expect(check(ALL, [ALL, ALL, ALL])).toEqual({ ...CLEAN, expected: 12, delivered: 12 });
});

test("A message that one member did not get is one loss, and no violation of order", () => {
  expect(check(ALL, [ALL, [A0, A1, C0], ALL])).toEqual({ ...CLEAN, expected: 12, delivered: 11, losses: 1 });
});

test("A message lost by the member in front is no violation of order for the others", () => {
  expect(check(ALL, [[A0, C0], ALL, ALL])).toEqual({ ...CLEAN, expected: 12, delivered: 10, losses: 2 });
});

test("A message that comes twice is one duplicate", () => {
  expect(check(ALL, [ALL, [...ALL, B0], ALL])).toEqual({ ...CLEAN, expected: 12, delivered: 12, duplicates: 1 });
});

test("Two publishers' messages that one member sees the other way round violate the room's order alone", () => {
  const swapped = [B0, A0, A1, C0];
  expect(check(ALL, [ALL, swapped, ALL])).toMatchObject({ ...CLEAN, roomOrderViolations: 1 });
});

test("One publisher's messages the other way round violate both orders", () => {
  const swapped = [A1, A0, B0, C0];
  expect(check(ALL, [ALL, ALL, swapped])).toMatchObject({
    ...CLEAN,
    publisherOrderViolations: 1,
    // Two messages arrived after the one that was too early.
    roomOrderViolations: 2,
  });
});

test("Sequences that no member saw in order still violate the publisher's order when all members agree", () => {
  const swapped = [A1, A0, B0, C0];
  const findings = check(ALL, [swapped, swapped, swapped]);
  expect(findings).toMatchObject({ ...CLEAN, publisherOrderViolations: 3, roomOrderViolations: 0 });
});

test("A member of another room and a publisher that is none are strays", () => {
  const checker = new DeliveryChecker({ rooms: 2, members: 2, publishers: 1 });
  checker.published(0, 0, 2);
  expect([0, 1, 2].map((member) => checker.received(member, 0, 0))).toEqual([true, true, false]);
  expect(checker.received(0, 99, 0)).toBe(false);
  expect(checker.findings()).toEqual({ ...CLEAN, expected: 2, delivered: 2, strays: 2 });
});

test("A refused message is not expected, and its deliveries count apart, before and after the refusal", () => {
  const checker = new DeliveryChecker({ rooms: 1, members: 3, publishers: 3 });
  checker.published(0, 0, 3);
  checker.received(0, 0, 0);
  checker.refused(0, 0);
  checker.refused(0, 0);
  checker.received(1, 0, 0);
  expect(checker.findings()).toEqual({ ...CLEAN, expected: 0, delivered: 0, refusedYetDelivered: 2 });
});

test("A message repeated long after it is still a duplicate, and one missing that long ago still late", () => {
  const checker = new DeliveryChecker({ rooms: 1, members: 1, publishers: 1 });
  for (let sequence = 0; sequence < 100; sequence++) {
    checker.published(0, sequence, 1);
    if (sequence !== 7) checker.received(0, 0, sequence);
  }
  checker.received(0, 0, 7);
  checker.received(0, 0, 3);
  expect(checker.findings()).toMatchObject({ delivered: 100, losses: 0, duplicates: 1, publisherOrderViolations: 1 });
});

test("Whatever is lost, streams that agree on one order show no violation, however they interleave", () => {
  const world = fc.record({
    order: fc.shuffledSubarray(
      [0, 1, 2].flatMap((publisher) => [0, 1, 2, 3].map((sequence): Message => [publisher, sequence])),
      { minLength: 12 },
    ),
    lost: fc.array(fc.tuple(fc.nat(2), fc.nat(11)), { maxLength: 2 }),
    turns: fc.infiniteStream(fc.nat(2)),
  });
  fc.assert(
    fc.property(world, ({ order, lost, turns }) => {
      // Each publisher's messages keep their sequence in the shared order.
      const next = [0, 0, 0];
      const shared = order.map(([publisher]): Message => {
        const sequence = next[publisher] ?? 0;
        next[publisher] = sequence + 1;
        return [publisher, sequence];
      });
      const losses = new Set(lost.map(([member, index]) => `${member} ${index}`));
      const streams = [0, 1, 2].map((member) => shared.filter((_, index) => !losses.has(`${member} ${index}`)));
      const checker = new DeliveryChecker({ rooms: 1, members: 3, publishers: 3 });
      for (const [publisher, sequence] of shared) checker.published(publisher, sequence, 3);
      const read = [0, 0, 0];
      for (const turn of turns) {
        const member = [0, 1, 2]
          .map((offset) => (turn + offset) % 3)
          .find((m) => (read[m] ?? 0) < (streams[m]?.length ?? 0));
        if (member === undefined) break;
        const message = streams[member]?.[read[member] ?? 0];
        read[member] = (read[member] ?? 0) + 1;
        if (message !== undefined) checker.received(member, ...message);
      }
      expect(checker.findings()).toEqual({ ...CLEAN, expected: 36, delivered: 36 - losses.size, losses: losses.size });
    }),
  );
});

test("A message that arrives after its index was dropped is reported as unchecked", () => {
  const checker = new DeliveryChecker({ rooms: 1, members: 2, publishers: 1 });
  for (let sequence = 0; sequence <= 65_536; sequence++) {
    checker.published(0, sequence, 2);
    checker.received(0, 0, sequence);
  }
  checker.received(1, 0, 0);
  expect(checker.findings()).toMatchObject({ delivered: 65_538, orderUnchecked: 1, roomOrderViolations: 0 });
});
