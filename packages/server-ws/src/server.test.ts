import { describeTransport } from "@cm/contract-tests/transport";
import { createWsServer } from "./server.js";

describeTransport("ws", createWsServer);
