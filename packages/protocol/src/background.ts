import type { CmError } from "./errors.js";

/** Where in the background something failed. */
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

/** Takes failures that no caller is waiting for. Must not throw. */
export type OnError = (error: CmError, context: { readonly stage: FailureStage }) => void;
