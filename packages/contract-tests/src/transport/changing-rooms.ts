import { describe, expect, it, vi } from "vitest";
import { bytes, type CreateTransport, serverStarter, type TestClient, WAIT } from "./transport-harness.js";

/** Number of clients: enough for a room to be empty, small and crowded many times. */
const CLIENTS = 24;

const ROOMS = ["one", "two", "three"] as const;
const STEPS = 600;

type Room = (typeof ROOMS)[number];

/** A client, the rooms it is in, and what it must have received. */
interface Participant {
  readonly client: TestClient;
  readonly rooms: Set<Room>;
  readonly expected: string[];
}

/** Several entries of one action are one chance each. */
const ACTIONS = ["enter", "enter", "leave", "publish", "publish", "publish", "send", "turn"] as const;

/** Maximum number of clients that enter or leave in one step. */
const RUN_MAX = 12;

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Whole numbers below a maximum, the same for the same seed (a linear congruential generator). */
function numbersOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Tests that every member gets exactly what was sent while it was a member, while rooms grow and shrink. */
export function describeChangingRooms(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("rooms that grow and shrink while messages are sent", () => {
    it("have the members that are connected, at the moment of every close", async () => {
      const counts: { readonly members: number; readonly connections: number }[] = [];
      const { server, join } = await startServer(
        {},
        {
          closed: () => counts.push({ members: server.membersOf("room"), connections: server.stats().connections }),
        },
      );
      const members: TestClient[] = [];
      for (let count = 0; count < 12; count++) members.push(await join());
      for (const { connection } of members) connection.enter("room");
      expect(server.membersOf("room")).toBe(12);
      for (const { socket } of members.slice(0, 11)) socket.terminate();
      await vi.waitFor(() => expect(counts).toHaveLength(11), WAIT);
      expect(counts.map((count) => count.members)).toEqual(counts.map((count) => count.connections));
      expect(counts.at(-1)?.members).toBe(1);
      members[11]?.connection.leave("room");
      expect(server.membersOf("room")).toBe(0);
    });

    it.each([
      { roomWindowMs: 0, maxMembersPerTurn: 200, seed: 1, isOneOrder: true },
      { roomWindowMs: 5, maxMembersPerTurn: 200, seed: 2, isOneOrder: false },
      { roomWindowMs: 0, maxMembersPerTurn: 10, seed: 3, isOneOrder: false },
    ] as const)(
      "deliver to each member what was sent while it was one (%o)",
      async ({ seed, isOneOrder, ...options }) => {
        const { server, join } = await startServer(options);
        const participants: Participant[] = [];
        for (let index = 0; index < CLIENTS; index++) {
          participants.push({ client: await join(), rooms: new Set(), expected: [] });
        }
        const below = numbersOf(seed);
        const some = (count: number): Participant[] => {
          const first = below(CLIENTS);
          return Array.from({ length: count }, (_, index) => participants[(first + index) % CLIENTS]).filter(isPresent);
        };
        for (let number = 0; number < STEPS; number++) {
          const action = ACTIONS[below(ACTIONS.length)];
          const room = ROOMS[below(ROOMS.length)] ?? "one";
          if (action === "enter" || action === "leave") {
            for (const { client, rooms } of some(1 + below(RUN_MAX))) {
              client.connection[action](room);
              if (action === "enter") rooms.add(room);
              else rooms.delete(room);
            }
          } else if (action === "publish") {
            const left = some(below(4));
            const ids = left.map(({ client }) => client.connection.id);
            server.toRoom(room, bytes(`${number} to ${room}`), ids);
            for (const participant of participants) {
              if (participant.rooms.has(room) && !left.includes(participant)) {
                participant.expected.push(`${number} to ${room}`);
              }
            }
          } else if (action === "send") {
            for (const { client, expected } of some(1)) {
              client.connection.send(`${number} direct`);
              expected.push(`${number} direct`);
            }
          } else {
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        const memberships = participants.reduce((sum, { rooms }) => sum + rooms.size, 0);
        const topics = ROOMS.filter((room) => participants.some(({ rooms }) => rooms.has(room))).length;
        expect(server.stats()).toMatchObject({ memberships, topics });
        for (const { client, expected } of participants) {
          await vi.waitFor(() => expect(client.texts).toHaveLength(expected.length), WAIT);
          if (isOneOrder) expect(client.texts).toEqual(expected);
          // Messages that are held back keep the order within their room only.
          for (const source of [...ROOMS, "direct"]) {
            const ofSource = (text: string): boolean => text.endsWith(source);
            expect(client.texts.filter(ofSource), source).toEqual(expected.filter(ofSource));
          }
        }
      },
    );
  });
}
