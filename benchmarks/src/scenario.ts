import type { ContenderName } from "./contenders.js";

/** A load that contenders get. */
export interface Scenario {
  readonly name: string;
  /** Name that selects several similar scenarios on the command line. Default: the scenario's name. */
  readonly group?: string;
  readonly rooms: number;
  /** Number of members of each room. */
  readonly members: number;
  /** Messages per second over all rooms. */
  readonly rate: number;
  /** Size of a message's payload as JSON, in bytes. */
  readonly bytes: number;
  /** Number of members of each room that publish. Default: all. */
  readonly publishers?: number;
  /** Number of servers. Default: 2. */
  readonly servers?: number;
  /** Number of messages that a room gets at the same moment, from different members. Default: 1. */
  readonly burst?: number;
  /**
   * Maximum number of messages that are published and not yet delivered to all; the rate is then above what
   * servers can deliver. Default: no limit.
   */
  readonly maxInFlight?: number;
  /** Whether each message goes to one user, the other member of a room of two, instead of the room. */
  readonly direct?: boolean;
  /** Number of rooms that each connection is in, all with the same members. Default: 1. */
  readonly roomsPerConnection?: number;
  /** Number of further connections in each room that stop reading once they have joined. Default: 0. */
  readonly slowReaders?: number;
  /** The contenders that are measured if none are chosen. */
  readonly contenders: readonly ContenderName[];
}

/** Number of server processes of a contender unless its scenario says otherwise. */
export const SERVERS = 2;

const USUAL = [
  "cm",
  "cm-no-window",
  "minimum",
  "same-bytes",
  "floor",
  "ws",
  "socket.io",
  "socket.io-uws",
] as const satisfies readonly ContenderName[];
const FEW = ["cm", "minimum", "socket.io", "socket.io-uws"] as const satisfies readonly ContenderName[];

const payload = (bytes: number, rate: number): Scenario => ({
  name: `payload-${bytes}`,
  group: "payload-sizes",
  ...{ rooms: 10, members: 20, rate, bytes, contenders: FEW },
});

/** 20 groups of 20 connections. The connections of a group are together in `count` rooms. */
const roomsPerConnection = (count: number): Scenario => ({
  name: `rooms-a-connection-${count}`,
  group: "rooms-a-connection",
  ...{ rooms: 20, members: 20, rate: 1_500, bytes: 200, roomsPerConnection: count, contenders: FEW },
});

/** All servers together have the same load, however many there are. */
const servers = (count: number): Scenario => ({
  name: `servers-${count}`,
  group: "servers",
  ...{ rooms: 100, members: 4, rate: 1_000, bytes: 200, servers: count, contenders: ["cm", "minimum"] },
});

/** Each server has the same load, however many there are. */
const serversGrown = (count: number): Scenario => ({
  name: `servers-grown-${count}`,
  group: "servers-grown",
  ...{ rooms: 25 * count, members: 4, rate: 250 * count, bytes: 200, servers: count, contenders: ["cm", "minimum"] },
});

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "many-rooms",
    ...{ rooms: 50, members: 20, rate: 3_000, bytes: 200 },
    contenders: [...USUAL, "socket.io-sharded", "socket.io-streams"],
  },
  { name: "big-rooms", rooms: 10, members: 200, rate: 500, bytes: 200, contenders: USUAL },
  // Shows the cost of the transport without native code.
  {
    name: "transports",
    ...{ rooms: 50, members: 20, rate: 3_000, bytes: 200 },
    contenders: ["cm", "cm-ws", "minimum", "ws"],
  },
  // In hot rooms, twenty players per room send twenty messages per second each.
  {
    name: "hot-rooms",
    ...{ rooms: 8, members: 20, rate: 3_200, bytes: 200 },
    contenders: [...USUAL, "minimum-window"],
  },
  {
    name: "hot-crowd",
    ...{ rooms: 1, members: 500, rate: 400, bytes: 200 },
    contenders: [...USUAL, "minimum-window"],
  },
  { name: "huge-room", rooms: 1, members: 10_000, rate: 10, bytes: 200, publishers: 100, contenders: USUAL },
  // The load of the hot rooms, from players whose clocks tick together: ten of a room's twenty at a time.
  {
    name: "same-turn",
    ...{ rooms: 8, members: 20, rate: 3_200, bytes: 200, burst: 10 },
    contenders: ["cm", "cm-no-window", "minimum", "minimum-window"],
  },
  // One server gets as many messages as it can deliver: for each of its 400 members, two messages are always on
  // their way.
  {
    name: "saturation",
    ...{ rooms: 20, members: 20, rate: 100_000, bytes: 200, servers: 1, maxInFlight: 800 },
    contenders: ["cm", "cm-no-window", "minimum", "floor", "socket.io", "socket.io-uws"],
  },
  {
    name: "direct-messages",
    ...{ rooms: 200, members: 2, rate: 4_000, bytes: 200, direct: true },
    contenders: FEW,
  },
  ...[payload(50, 1_500), payload(1_000, 1_500), payload(5_000, 500), payload(20_000, 150)],
  ...[1, 8, 64].map(roomsPerConnection),
  ...[1, 2, 4, 8].map(servers),
  ...[1, 2, 4, 8].map(serversGrown),
  // The messages are large, so that the kernel's queues are full before the measurement begins.
  {
    name: "slow-readers",
    ...{ rooms: 2, members: 20, rate: 400, bytes: 10_000, slowReaders: 3 },
    contenders: [...FEW, "ws"],
  },
];

/** The names that select load scenarios on the command line. */
export const SCENARIO_GROUPS: readonly string[] = [...new Set(SCENARIOS.map(groupOf))];

/** The name that selects a scenario on the command line. */
export function groupOf({ group, name }: Scenario): string {
  return group ?? name;
}

/** Number of connections that each message is delivered to. */
export function receiversOf({ members, direct }: Scenario): number {
  return direct === true ? members - 1 : members;
}

/**
 * Returns a reduced scenario, for a machine that is also used for other work: fewer rooms with the same messages
 * each, or fewer members if there is only one room. The number of messages per member stays the same. A scenario
 * that saturates its server is returned unchanged, because a smaller load would saturate it too.
 */
export function scaled(scenario: Scenario, share: number): Scenario {
  const { rooms, members, rate, publishers } = scenario;
  if (scenario.maxInFlight !== undefined) return scenario;
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
