import { describeTransport } from "@cm/contract-tests/transport";
import { createUwsServer } from "./server.js";

// Many, for the faults of the native layer that upgrades are guarded against.
describeTransport("uWebSockets.js", createUwsServer, { crowd: 2_000 });
