import { describeTransport } from "@cm/contract-tests/transport";
import { createUwsServer } from "./server.js";

// A large crowd, to provoke the bugs of the native layer that the upgrades guard against.
describeTransport("uWebSockets.js", createUwsServer, { crowd: 2_000 });
