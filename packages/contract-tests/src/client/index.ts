// The suite
export { describeClient } from "./client-contracts.js";
export type { ClientContractOptions, ClientSuite } from "./client-contracts.js";
export type { ClientParts, StartClient, TestedClient } from "./client-harness.js";

// For further tests of your own client
export { answerAll, ScriptedServer, welcome } from "./scripted-server.js";
export type { ClientFrameSeen, Script, ScriptedConnection } from "./scripted-server.js";
