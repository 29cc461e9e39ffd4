import type { ClientErrorCode } from "@cm/protocol";

/** The connection that a hook is called for. */
export interface HookConnection {
  /** The connection's id. */
  readonly id: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The `data` that `authenticate` returned or, since then, `refresh`; with `tokens`, the claim `info`. */
  readonly data: unknown;
}

/** A hook's refusal of a request. */
export interface Refusal {
  /** The error code that is sent to the client. */
  readonly refuse: ClientErrorCode;
  /** A message for the client's developer. Default: the meaning of the code. */
  readonly message?: string;
}

/** Returning nothing allows the request; returning a {@link Refusal} or throwing a `CmError` refuses it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement allows.
export type HookOutcome = void | undefined | Refusal;
type Answer = HookOutcome | Promise<HookOutcome>;

/** The recipient of a direct message: one connection, or all of a user's connections. */
export type DirectTarget = { readonly connection: string } | { readonly user: string };

/**
 * The application's decisions about clients' requests. Each hook may be async, and allows a request by returning
 * nothing. A hook refuses the request by returning a {@link Refusal} or throwing a `CmError`. A thrown
 * `unavailable`, `timeout` or `closed` may come from the store: the client is sent the code with its meaning
 * instead of the message. If the hook throws any other error, the error is logged and the request is refused with
 * `internal`. If the hook takes longer than `hookTimeoutMs`, that is logged and the request is refused with
 * `timeout`. A connection's requests about one room, and its direct messages, keep their order while hooks decide.
 */
export interface GatewayHooks {
  /**
   * Called when a connection has sent `hello`, before the connection is registered. If the hook refuses, the
   * connection is closed with 4001, or with 4204 if the error is retryable; if the hook fails, with 4205.
   */
  readonly onConnect?: ((connection: HookConnection) => Answer) | undefined;
  /**
   * Called before a client joins a room that it is not in. Not called for joins that another server requests.
   */
  readonly onJoin?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /** Called before a member's message is published to its room. */
  readonly onPublish?:
    | ((connection: HookConnection, request: { readonly room: string; readonly data: unknown }) => Answer)
    | undefined;
  /** Called before a direct message is sent to a connection or a user. */
  readonly onSend?:
    | ((connection: HookConnection, request: { readonly to: DirectTarget; readonly data: unknown }) => Answer)
    | undefined;
  /** Called before a client is sent the list of a room's members. The client need not be in the room. */
  readonly onMembers?: ((connection: HookConnection, request: { readonly room: string }) => Answer) | undefined;
  /**
   * Called after the close of a connection that has sent a valid `hello`, even if `onConnect` refused it. At most
   * `maxPendingHooks` calls are pending, and up to 100,000 wait for them; beyond that, the hook is not called, and
   * that is logged. Errors and calls that take longer than `hookTimeoutMs` are logged too.
   */
  readonly onClose?:
    | ((connection: HookConnection, end: { readonly code: number; readonly reason: string }) => void | Promise<void>)
    | undefined;
}
