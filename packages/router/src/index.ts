export type { GatheredAnswers } from "./requests/scatter-gather.js";
export type { ControlOutcome, ControlRequest } from "./requests/control-requests.js";
export type {
  ControlHandler,
  Gap,
  QuestionHandler,
  RouterOptions,
  RouterStore,
  ServerMessageHandler,
} from "./options.js";
export type { LocalReach, RoomOrder, WhileDown } from "./rooms/room-policy.js";
export type { RouterStats } from "./router-stats.js";
export type { AnswerTime, ConfirmedOutcome, Confirmation, RouteOutcome, Router } from "./router.js";
export type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
export { createRouter } from "./bus-router.js";
