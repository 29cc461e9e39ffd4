import { describeTransport } from "@cm/contract-tests/transport";
import { createUwsServer } from "./server.js";

// Use a large crowd, to provoke the bugs of the native layer that `Upgrades` works around.
describeTransport("uWebSockets.js", createUwsServer, { crowd: 2_000 });
