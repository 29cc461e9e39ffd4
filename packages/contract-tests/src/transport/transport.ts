import { describe } from "vitest";
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

/**
 * Everything that a transport promises, on real sockets. `crowd` is how many connections come at
 * once or one after the other where many do: a multiple of 100.
 */
export function describeTransport(name: string, createTransport: CreateTransport, { crowd = 500 } = {}): void {
  describe(`a transport: ${name}`, () => {
    describeTransportOptions(createTransport);
    describeUpgrades(createTransport, crowd);
    describeConnections(createTransport);
    describeRoomWindows(createTransport);
    describeSlowReaders(createTransport);
    describeSlowReaderPolicies(createTransport);
    describeQuietConnections(createTransport);
    describeCounters(createTransport);
    describeDrain(createTransport);
    describeHttpRoutes(createTransport);
  });
}
