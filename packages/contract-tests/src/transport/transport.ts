import { requireOptions, requireWholeNumber } from "@cm/protocol/options";
import { describe } from "vitest";
import { type LeftOut, requireLeftOut, runSuites } from "../left-out.js";
import { describeConnections } from "./connections.js";
import { describeCounters } from "./counters.js";
import { describeDrain } from "./drain.js";
import { describeHttpRoutes } from "./http-routes.js";
import { describeQuietConnections } from "./quiet-connections.js";
import { describeRoomWindows } from "./room-windows.js";
import { describeSlowReaderPolicies } from "./slow-reader-policies.js";
import { describeSlowReaders } from "./slow-readers.js";
import type { CreateTransport } from "./transport-harness.js";
import { describeTransportOptions } from "./transport-options.js";
import { describeUpgrades } from "./upgrades.js";

/** Every suite of a transport. */
const SUITES = {
  options: describeTransportOptions,
  upgrades: describeUpgrades,
  connections: describeConnections,
  "room-windows": describeRoomWindows,
  "slow-readers": describeSlowReaders,
  "slow-reader-policies": describeSlowReaderPolicies,
  "quiet-connections": describeQuietConnections,
  counters: describeCounters,
  drain: describeDrain,
  "http-routes": describeHttpRoutes,
} as const satisfies Record<string, (createTransport: CreateTransport, crowd: number) => void>;

/** How long a test may take on a busy machine: some wait several times, and the default of vitest is 5 s. */
const TEST_TIMEOUT_MS = 30_000;

/** The name of one suite of {@link describeTransport}. */
export type TransportSuite = keyof typeof SUITES;

/** What {@link describeTransport} may be told. */
export interface TransportContractOptions {
  /**
   * How many connections come at once, or one after the other, in the tests about many: a multiple of
   * 100, from 100 to 10,000. Each takes a file descriptor on both sides. Default 500.
   */
  readonly crowd?: number;
  /**
   * Suites that the transport does not pass, each with the reason, such as
   * `{ "http-routes": "another server has them" }`. Each is reported as a skipped test with its reason,
   * and warned of. Default: none.
   */
  readonly leaveOut?: LeftOut<TransportSuite>;
}

/**
 * Everything that a transport promises, on real sockets of the loopback address; call it at the top of
 * a test file. `createTransport` is called for each server, with the options of `@cm/transport`, and
 * must listen where `port` is 0 on a free one. Throws `options-invalid` for a suite that does not
 * exist, or is left out without a reason.
 */
export function describeTransport(
  name: string,
  createTransport: CreateTransport,
  options: TransportContractOptions = {},
): void {
  const { crowd = 500, leaveOut: given = {} } = requireOptions(options, { crowd: true, leaveOut: true });
  requireWholeNumber("crowd", crowd, { min: 100, max: 10_000 });
  const leaveOut = requireLeftOut(given, SUITES);
  const suites = Object.fromEntries(
    Object.entries(SUITES).map(([suite, run]) => [suite, () => run(createTransport, crowd)]),
  ) as Record<TransportSuite, () => void>; // The same keys.
  describe(`a transport: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => runSuites(name, suites, leaveOut));
}
