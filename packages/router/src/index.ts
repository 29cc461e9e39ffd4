export type { ClusterAnswers } from "./cluster-question.js";
export type { ControlOutcome, ControlRequest } from "./control.js";
export type { ControlHandler, Gap, QuestionHandler, RouterOptions, ServerMessageHandler } from "./options.js";
export type { LocalReach, RoomOrder, WhileDown } from "./room-policy.js";
export type { RouterStats } from "./router-stats.js";
export type { AnswerTime, ConfirmedOutcome, Confirmation, RouteOutcome, Router } from "./router.js";
export type { Recovery, RecoveryLimit } from "./stream-recovery.js";
export { createRouter } from "./bus-router.js";
