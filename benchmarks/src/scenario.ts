/** A shape of load that all contenders get. */
export interface Scenario {
  readonly name: string;
  readonly rooms: number;
  /** Members of each room. */
  readonly members: number;
  /** Messages a second over all rooms. */
  readonly rate: number;
  /** Size of a message's payload as JSON. */
  readonly bytes: number;
  /** How many members of each room publish. Default: all. */
  readonly publishers?: number;
}

export const SCENARIOS: readonly Scenario[] = [
  { name: "many-rooms", rooms: 50, members: 20, rate: 3_000, bytes: 200 },
  { name: "big-rooms", rooms: 10, members: 200, rate: 500, bytes: 200 },
  // Twenty players a room, each of whom sends twenty times a second.
  { name: "hot-rooms", rooms: 8, members: 20, rate: 3_200, bytes: 200 },
  { name: "hot-crowd", rooms: 1, members: 500, rate: 400, bytes: 200 },
  { name: "huge-room", rooms: 1, members: 10_000, rate: 10, bytes: 200, publishers: 100 },
];

/**
 * A part of a scenario, for a machine that has not all of itself to give: fewer rooms with the same
 * messages each, or where there is one room alone, fewer members. What a member gets stays the same.
 */
export function scaled(scenario: Scenario, share: number): Scenario {
  const { rooms, members, rate, publishers } = scenario;
  if (rooms === 1) {
    const fewer = Math.max(1, Math.round(members * share));
    return {
      ...scenario,
      members: fewer,
      ...(publishers === undefined ? {} : { publishers: Math.min(publishers, fewer) }),
    };
  }
  const fewer = Math.max(1, Math.round(rooms * share));
  return { ...scenario, rooms: fewer, rate: (rate * fewer) / rooms };
}

/** The scenario that measures the store's memory and no traffic. */
export const MEMORY_SCENARIO = "redis-memory";

/** The scenario of 10,000 joins, and of 10,000 users who come and go. */
export const STORMS_SCENARIO = "storms";

/** The scenario of what statistics cost, with few and with 100,000 connections. */
export const STATISTICS_SCENARIO = "statistics";

/** The scenario of cleaning up after a server that died with 100,000 connections. */
export const REAPING_SCENARIO = "reaping";

/** The scenario of what each gateway has to do where there are more of them. */
export const SCALE_OUT_SCENARIO = "scale-out";
