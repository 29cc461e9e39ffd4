export { createGateway } from "./gateway.js";
export type { Gateway } from "./gateway.js";
export type { GatewayClock, GatewayLogger, GatewayOptions, GatewayUser } from "./gateway-options.js";
export type { DirectTarget, GatewayHooks, HookConnection, HookOutcome, Refusal } from "./session/hooks.js";
