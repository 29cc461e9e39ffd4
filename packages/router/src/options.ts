import {
  type Bus,
  CmError,
  type ControlOperation,
  type HistoryPosition,
  isServerId,
  type LocalDelivery,
  type OnError,
  type ServerRegistry,
  type UserDirectory,
} from "@cm/protocol";
import {
  type Complete,
  guardedCallback,
  optionInvalid,
  requireDurationMs,
  requireFields,
  requireFunction,
  requireMembers,
  requireOptions,
  requireWholeNumber,
} from "@cm/protocol/options";
import { guardedDelivery, reportingRejections } from "./guarded-delivery.js";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import type { RoomOrder, WhileDown } from "./rooms/room-policy.js";
import type { AnswerTime, Confirmation } from "./router.js";

/** Messages for one room, or for this server, that did not arrive on this server. */
export interface Gap {
  /** The room; `undefined` if direct messages to this server are missing. */
  readonly room: string | undefined;
  /**
   * The publisher of the missing messages, and how many of its numbers are missing. A message whose publish failed
   * with an error may have taken one of these numbers. `origin` is `undefined` if the messages belong to a
   * recoverable room whose history no longer has them. `known` is `undefined` if it cannot be determined which
   * messages are missing, for example because after an interruption not every server could report what it had sent.
   * Gaps that the numbers of later messages reveal are reported in addition.
   */
  readonly known: { readonly origin: string | undefined; readonly missed: number } | undefined;
}

/**
 * Receives a message that another server's application sent to this server. If it throws, a request for a confirmation
 * is refused with `internal`. If it returns a promise, no caller waits for it; if that promise rejects, the error goes to
 * `onError`.
 */
export type ServerMessageHandler = (message: { readonly origin: string; readonly payload: Uint8Array }) => void;

/**
 * Executes a request to a connection of this server, or to the server itself. If the handler rejects with a
 * `CmError`, the requester gets the code of that error; any other error becomes `internal`. Called once for
 * each request, even if the request arrives twice.
 */
export type ControlHandler = (
  operation: Exclude<ControlOperation, { readonly type: "ping" }>,
) => Promise<"done" | "not-found">;

/**
 * Responds to a question to the cluster, with at most 65,536 bytes. Errors are handled as for
 * {@link ControlHandler}.
 */
export type QuestionHandler = (question: Uint8Array, origin: string) => Promise<Uint8Array>;

/** The parts of a store that a router uses. */
export interface RouterStore {
  /** Bus that carries messages between servers. Its `history` is required for recoverable rooms. */
  readonly bus: Bus;
  /** Directory for looking up a user's connections. */
  readonly users: Pick<UserDirectory, "states">;
  /**
   * Registry of the living servers. Needed to send questions to the whole cluster, and to find out after an
   * interruption which messages were missed. Without it, `onGap` then only reports that messages may be missing.
   */
  readonly servers?: Pick<ServerRegistry, "snapshot"> | undefined;
}

/** Options of a router. */
export interface RouterOptions {
  /** Id of this server; its own channel has this name. 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly serverId: string;
  /**
   * A started store, or an object with its `bus`, its `users` and, if it has one, its registry `servers`. The router
   * does not close it.
   */
  readonly store: RouterStore;
  /** Delivers to the sockets of this process. */
  readonly local: LocalDelivery;
  /**
   * Whether this server holds its lease; omit it for a server without a lease. If given, a message to a user who
   * has no connection results in `not-found` only while this function returns `true` and the registry can be
   * trusted. At other times the call rejects with `unavailable`, because the store may have lost the user's
   * connections.
   */
  readonly holdsLease?: (() => boolean) | undefined;
  /**
   * Time that a room's channel stays subscribed after its last local member left, in milliseconds. Default
   * 5,000; 0 to 600,000.
   */
  readonly releaseDelayMs?: number | undefined;
  /**
   * Maximum number of channels without local members that stay subscribed. Beyond it, the channel that has been
   * idle for longest is unsubscribed at once. Default 1,000; 0 to 1,000,000.
   */
  readonly maxIdleSubscriptions?: number | undefined;
  /**
   * Maximum number of rooms and servers for which this server keeps a sequencer. Beyond it, the oldest
   * sequencer is dropped; a new one begins when the channel is used again. Also the maximum number of
   * recoverable rooms per minute whose acknowledged positions are kept, to be compared with their histories
   * after an interruption; a room with a single publish counts as well. Default 100,000; 1 to 10,000,000.
   */
  readonly maxSequencers?: number | undefined;
  /** Called once for each gap that is detected. If it throws or rejects, the error goes to `onError`. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Receives the messages that other servers send to this one with `toServer`. */
  readonly onServerMessage?: ServerMessageHandler | undefined;
  /**
   * Executes requests to this server and its connections. The router itself responds to a ping. Default:
   * refuses with `operation-unknown`.
   */
  readonly onControl?: ControlHandler | undefined;
  /** Responds to questions to the cluster. Default: refuses with `operation-unknown`. */
  readonly onQuestion?: QuestionHandler | undefined;
  /**
   * Order in which members receive the room's messages. Must always return the same value for a room, on all
   * servers. Default: `room`.
   */
  readonly orderOf?: ((room: string) => RoomOrder) | undefined;
  /**
   * What to do with the room's messages if the bus is unavailable. Must always return the same value for a
   * room. Default: `refuse`.
   */
  readonly whileDown?: ((room: string) => WhileDown) | undefined;
  /**
   * Whether a room is recoverable: its messages are kept for a while in the history of the store's bus, so that a
   * server or a client that missed messages can get them. Must always return the same value for a room, on all servers.
   * Not allowed for rooms with publisher order or `deliver-locally`. A frame for a recoverable room must be the text of
   * a JSON object with at least one field and no space before it: `toRoom` rejects a frame that does not begin with
   * `{"` with `frame-invalid`, and checks nothing more. Members receive the frame with the fields `epoch` and `offset`
   * in front. Default: no room is recoverable.
   */
  readonly isRecoverable?: ((room: string) => boolean) | undefined;
  /**
   * Maximum number of requests that wait for another server's response, and of requests of other servers in
   * progress on this server. Default 10,000; 1 to 1,000,000.
   */
  readonly maxPending?: number | undefined;
  /** Called with failures that no caller is waiting for. Must not throw. Default: they are dropped. */
  readonly onError?: OnError | undefined;
}

/** {@link RouterOptions} with all defaults filled in and `store` replaced by its parts. */
export type ResolvedRouterOptions = Complete<Omit<RouterOptions, "store" | "holdsLease">> &
  RouterStore & { readonly holdsLease: RouterOptions["holdsLease"] };

const KNOWN: Readonly<Record<keyof RouterOptions, true>> = {
  serverId: true,
  store: true,
  local: true,
  holdsLease: true,
  releaseDelayMs: true,
  maxIdleSubscriptions: true,
  maxSequencers: true,
  onGap: true,
  onServerMessage: true,
  onControl: true,
  onQuestion: true,
  orderOf: true,
  whileDown: true,
  isRecoverable: true,
  maxPending: true,
  onError: true,
};

/** Fills in the defaults. Throws `options-invalid`. */
export function resolveRouterOptions(given: RouterOptions): ResolvedRouterOptions {
  const options = requireOptions(given, KNOWN);
  const { serverId, holdsLease, isRecoverable = () => false } = options;
  const {
    releaseDelayMs = 5_000,
    maxIdleSubscriptions = 1_000,
    maxSequencers = 100_000,
    maxPending = 10_000,
  } = options;
  const { onGap = () => undefined, onServerMessage = () => undefined, onError = () => undefined } = options;
  const { onControl = refuse, onQuestion = refuse, orderOf = () => "room", whileDown = () => "refuse" } = options;
  if (!isServerId(serverId)) throw optionInvalid("serverId", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  const store = requireStore(options.store);
  if (options.isRecoverable !== undefined && store.bus.history === undefined) {
    throw new CmError("options-invalid", "isRecoverable needs a store whose bus has a history.", {
      details: { field: "isRecoverable" },
    });
  }
  return {
    serverId,
    bus: store.bus,
    users: store.users,
    servers: store.servers,
    local: guardedDelivery(requireMembers("local", options.local, ["toRoom", "toConnection", "toUser"]), onError),
    releaseDelayMs: requireDurationMs("releaseDelayMs", releaseDelayMs, 0, 600_000),
    maxIdleSubscriptions: requireWholeNumber("maxIdleSubscriptions", maxIdleSubscriptions, { min: 0, max: 1_000_000 }),
    maxSequencers: requireWholeNumber("maxSequencers", maxSequencers, { min: 1, max: 10_000_000 }),
    onGap: guardedCallback("onGap", requireFunction("onGap", onGap), onError, undefined),
    onServerMessage: reportingRejections(
      "onServerMessage",
      requireFunction("onServerMessage", onServerMessage),
      onError,
    ),
    onControl: requireFunction("onControl", onControl),
    onQuestion: requireFunction("onQuestion", onQuestion),
    orderOf: requireFunction("orderOf", orderOf),
    whileDown: requireFunction("whileDown", whileDown),
    maxPending: requireWholeNumber("maxPending", maxPending, { min: 1, max: 1_000_000 }),
    holdsLease: holdsLease === undefined ? undefined : requireFunction("holdsLease", holdsLease),
    isRecoverable: requireFunction("isRecoverable", isRecoverable),
    onError: requireFunction("onError", onError),
  };
}

/** Returns the store if it has the parts that a router needs. Throws `options-invalid`. */
function requireStore(given: RouterStore): RouterStore {
  const { bus, users, servers } = requireMembers("store", given, ["bus", "users"]);
  requireMembers("store.bus", bus, ["publish", "subscribe"]);
  requireMembers("store.users", users, ["states"]);
  if (servers !== undefined) requireMembers("store.servers", servers, ["snapshot"]);
  if (bus.history !== undefined) {
    requireMembers("store.bus.history", bus.history, ["append", "since", "restart", "link"]);
  }
  return given;
}

/** Validates the time to wait for a confirmation, if one is requested. Throws `options-invalid`. */
export function requireConfirmation(confirmation: Confirmation | undefined): void {
  if (confirmation === undefined) return;
  requireFields("confirmation", confirmation, { confirmMs: true }, "{ confirmMs: 2_000 }");
  requireDurationMs("confirmMs", confirmation.confirmMs, 1, 600_000);
}

/** Returns the time to wait for a response, in milliseconds. Throws `options-invalid` if it is not valid. */
export function requireAnswerTime(time: AnswerTime): number {
  requireFields("time", time, { timeoutMs: true }, "{ timeoutMs: 2_000 }");
  return requireDurationMs("timeoutMs", time.timeoutMs, 1, 600_000);
}

/** Validates the arguments of a recovery: position, limit and consumer of the messages. Throws `options-invalid`. */
export function requireRecovery(
  from: HistoryPosition,
  limit: RecoveryLimit,
  take: (recovery: Recovery) => void,
  isWanted: () => boolean,
): void {
  if (typeof from !== "object" || from === null) {
    throw optionInvalid("from", "a position, as returned by positionOf(room)");
  }
  requireFunction("take", take);
  requireFunction("isWanted", isWanted);
  const { maxMessages, maxBytes } = requireFields("limit", limit, { maxMessages: true, maxBytes: true }, LIMIT_EXAMPLE);
  requireWholeNumber("maxMessages", maxMessages, { min: 1, max: 10_000 });
  requireWholeNumber("maxBytes", maxBytes, { min: 1, max: Number.MAX_SAFE_INTEGER }, "bytes");
}

const LIMIT_EXAMPLE = "{ maxMessages: 100, maxBytes: 65_536 }";

async function refuse(): Promise<never> {
  throw new CmError("operation-unknown", "This server does not support this operation.");
}
