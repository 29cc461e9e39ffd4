import type { CmError } from "./errors.js";

/** The background activity in which a failure occurred. */
export type FailureStage =
  | "heartbeat"
  | "lease"
  | "projection"
  | "reaping"
  | "bus"
  | "subscription"
  | "link"
  | "store"
  | "delivery"
  | "listening"
  | "handler";

/** Receives failures that no caller is waiting for. Must not throw. */
export type OnError = (error: CmError, context: { readonly stage: FailureStage }) => void;
