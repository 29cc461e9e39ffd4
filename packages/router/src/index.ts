export type { Gap, RouterOptions, ServerMessageHandler } from "./options.js";
export type { RouteOutcome, Router, RouterStats } from "./router.js";
export { createRouter } from "./router.js";
