/** A load that all contenders get. */
export interface Scenario {
  readonly name: string;
  readonly rooms: number;
  /** Number of members of each room. */
  readonly members: number;
  /** Messages per second over all rooms. */
  readonly rate: number;
  /** Size of a message's payload as JSON, in bytes. */
  readonly bytes: number;
  /** Number of members of each room that publish. Default: all. */
  readonly publishers?: number;
}

export const SCENARIOS: readonly Scenario[] = [
  { name: "many-rooms", rooms: 50, members: 20, rate: 3_000, bytes: 200 },
  { name: "big-rooms", rooms: 10, members: 200, rate: 500, bytes: 200 },
  // In hot rooms, twenty players per room send twenty messages per second each.
  { name: "hot-rooms", rooms: 8, members: 20, rate: 3_200, bytes: 200 },
  { name: "hot-crowd", rooms: 1, members: 500, rate: 400, bytes: 200 },
  { name: "huge-room", rooms: 1, members: 10_000, rate: 10, bytes: 200, publishers: 100 },
];

/**
 * A reduced scenario, for a machine that is also used for other work: fewer rooms with the same messages
 * each, or fewer members if there is only one room. The number of messages per member stays the same.
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

/** Name of the scenario that measures the store's memory, without traffic. */
export const MEMORY_SCENARIO = "redis-memory";

/** Name of the scenario with 10,000 joins, and with 10,000 users who come online and go offline. */
export const STORMS_SCENARIO = "storms";

/** Name of the scenario that measures the cost of statistics, with few and with 100,000 connections. */
export const STATISTICS_SCENARIO = "statistics";

/** Name of the scenario that cleans up after a server that died with 100,000 connections. */
export const REAPING_SCENARIO = "reaping";

/** Name of the scenario that measures the work of each gateway as their number grows. */
export const SCALE_OUT_SCENARIO = "scale-out";
