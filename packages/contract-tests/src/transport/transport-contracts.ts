import { requireOptions, requireWholeNumber } from "@cm/protocol/options";
import { describe } from "vitest";
import { requireSkippedSuites, runSuites, type SkippedSuites } from "../skipped-suites.js";
import { describeChangingRooms } from "./changing-rooms.js";
import { describeConnections } from "./connections.js";
import { describeDrain } from "./drain.js";
import { describeHttpRoutes } from "./http-routes.js";
import { describeIdleConnections } from "./idle-connections.js";
import { describeControlFrames } from "./limits/control-frames.js";
import { describeSlowReaderPolicies } from "./limits/slow-reader-policies.js";
import { describeSlowReaders } from "./limits/slow-readers.js";
import { describeProxyProtocol } from "./proxy-protocol.js";
import { describeRoomWindows } from "./room-windows.js";
import { describeCounters } from "./transport-counters.js";
import type { CreateTransport } from "./transport-harness.js";
import { describeTransportOptions } from "./transport-options.js";
import { describeUpgrades } from "./upgrades.js";

/** All suites of a transport. */
const SUITES = {
  options: describeTransportOptions,
  upgrades: describeUpgrades,
  "proxy-protocol": describeProxyProtocol,
  connections: describeConnections,
  "changing-rooms": describeChangingRooms,
  "room-windows": describeRoomWindows,
  "slow-readers": describeSlowReaders,
  "slow-reader-policies": describeSlowReaderPolicies,
  "idle-connections": describeIdleConnections,
  "control-frames": describeControlFrames,
  counters: describeCounters,
  drain: describeDrain,
  "http-routes": describeHttpRoutes,
} as const satisfies Record<string, (createTransport: CreateTransport, crowd: number) => void>;

/**
 * Maximum duration of a test on a busy machine: some tests wait several times, and the default of vitest is
 * 5 s.
 */
const TEST_TIMEOUT_MS = 30_000;

/** The name of one suite of {@link describeTransport}. */
export type TransportSuite = keyof typeof SUITES;

/** Options of {@link describeTransport}. */
export interface TransportContractOptions {
  /**
   * Number of connections that the crowd tests open, in parallel or one after the other: a multiple of
   * 100, from 100 to 10,000. Each connection uses two file descriptors, one for the client and one for the
   * server. Default 500.
   */
  readonly crowd?: number;
  /**
   * Suites that the transport does not pass, each with the reason, such as
   * `{ "http-routes": "another server has them" }`. Each is reported as a skipped test with its reason, and
   * with a warning. Default: none.
   */
  readonly skip?: SkippedSuites<TransportSuite>;
}

/**
 * Contract tests for a transport, on real sockets of the loopback address. Call it at the top level of a test
 * file. `createTransport` is called for each server, with the options of `@cm/transport`; if `port` is 0, the
 * server must listen on a free port. Throws `options-invalid` for a suite that does not exist, or that is
 * skipped without a reason.
 */
export function describeTransport(
  name: string,
  createTransport: CreateTransport,
  options: TransportContractOptions = {},
): void {
  const { crowd = 500, skip: given = {} } = requireOptions(options, { crowd: true, skip: true });
  requireWholeNumber("crowd", crowd, { min: 100, max: 10_000 });
  const skipped = requireSkippedSuites(given, SUITES);
  const suites = Object.fromEntries(
    Object.entries(SUITES).map(([suite, run]) => [suite, () => run(createTransport, crowd)]),
  ) as Record<TransportSuite, () => void>; // The keys are those of `SUITES`.
  describe(`a transport: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => runSuites(name, suites, skipped));
}
