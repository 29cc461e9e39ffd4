// The suite
export { describeTransport } from "./transport-contracts.js";
export type { TransportContractOptions, TransportSuite } from "./transport-contracts.js";
export type { CreateTransport } from "./transport-harness.js";

// For further tests of your own transport
export { OPCODE, RawClient } from "./raw-client.js";
export type { HandshakeAnswer, RawClientOptions, RawFrame } from "./raw-client.js";
export type { Journal, StartServer, TestClient, TestServer } from "./transport-harness.js";
export { bytes, openClient, serverStarter, testOptions, WAIT } from "./transport-harness.js";
