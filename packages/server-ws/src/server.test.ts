import { describeTransport } from "@cm/test-kit/contracts";
import { createWsServer } from "./server.js";

describeTransport("ws", createWsServer);
