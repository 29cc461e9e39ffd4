import { requireOptions } from "@cm/protocol/options";
import { describe } from "vitest";
import { requireSkippedSuites, runSuites, type SkippedSuites } from "../skipped-suites.js";
import type { StartClient } from "./client-harness.js";
import { describeHandshake } from "./handshake.js";
import { describeReceiving } from "./receiving.js";
import { describeReconnecting, describeRefusedUpgrades } from "./reconnecting.js";
import { describeRequests } from "./requests.js";
import { describeResume } from "./resume.js";

/** All suites of a client. */
const SUITES = {
  handshake: describeHandshake,
  requests: describeRequests,
  receiving: describeReceiving,
  reconnecting: describeReconnecting,
  "refused-upgrades": describeRefusedUpgrades,
  resume: describeResume,
} as const satisfies Record<string, (start: StartClient) => void>;

/** Maximum duration of a test on a busy machine: some tests wait for a client to come back three times. */
const TEST_TIMEOUT_MS = 30_000;

/** The name of one suite of {@link describeClient}. */
export type ClientSuite = keyof typeof SUITES;

/** Options of {@link describeClient}. */
export interface ClientContractOptions {
  /**
   * Suites that the client does not pass, each with the reason, such as
   * `{ "refused-upgrades": "browsers hide the answer" }`. Each is reported as a skipped test with its reason, and with
   * a warning. Default: none.
   */
  readonly skip?: SkippedSuites<ClientSuite>;
}

/**
 * Contract tests for a client of the protocol, version 1: what docs/protocol.md demands of clients, against a server
 * that follows scripts, on real sockets of the loopback address. Call it at the top level of a test file. `start` is
 * called for each client. Throws `options-invalid` for a suite that does not exist, or that is skipped without a
 * reason.
 */
export function describeClient(name: string, start: StartClient, options: ClientContractOptions = {}): void {
  const { skip: given = {} } = requireOptions(options, { skip: true });
  const skipped = requireSkippedSuites(given, SUITES);
  const suites = Object.fromEntries(Object.entries(SUITES).map(([suite, run]) => [suite, () => run(start)])) as Record<
    ClientSuite,
    () => void
  >; // The keys are those of `SUITES`.
  describe(`a client: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => runSuites(name, suites, skipped));
}
