import {
  type Bus,
  CmError,
  type ControlOperation,
  type History,
  type HistoryPosition,
  type LocalDelivery,
  type OnError,
  requireServerId,
  type ServerRegistry,
  type UserDirectory,
} from "@cm/protocol";
import {
  type Complete,
  optionInvalid,
  requireDurationMs,
  requireFields,
  requireFunction,
  requireMembers,
  requireOptions,
  requireText,
  requireWholeNumber,
} from "@cm/protocol/options";
import type { Recovery, RecoveryLimit } from "./recovery/room-recovery.js";
import type { RoomOrder, WhileDown } from "./rooms/room-policy.js";
import type { AnswerTime, Confirmation } from "./router.js";

/** Messages for one room, or for this server, that did not arrive here. */
export interface Gap {
  /** The room; `undefined` where direct messages to this server are missing. */
  readonly room: string | undefined;
  /**
   * Who numbered them and how many numbers are missing; a message whose publisher was
   * told that it failed may be among them. `origin` is `undefined` where they are of a
   * recoverable room and its history has them no longer. `known` is `undefined` where the subscription was
   * interrupted and not everybody could tell what was sent meanwhile: messages may be
   * missing, of anybody. What their numbers show is reported as well.
   */
  readonly known: { readonly origin: string | undefined; readonly missed: number } | undefined;
}

/** Takes a message that another server's application sent to this one. Must not throw. */
export type ServerMessageHandler = (message: { readonly origin: string; readonly payload: Uint8Array }) => void;

/**
 * Carries out what is asked of a connection of this server, or of the server itself.
 * A `CmError` that it fails with goes to the asker under its code, anything else as
 * `internal`. Asked once for each request, also where that arrives twice.
 */
export type ControlHandler = (
  operation: Exclude<ControlOperation, { readonly type: "ping" }>,
) => Promise<"done" | "not-found">;

/** Answers a question to the cluster with at most 65,536 bytes. Fails as {@link ControlHandler}. */
export type QuestionHandler = (question: Uint8Array, origin: string) => Promise<Uint8Array>;

/** What a router needs. */
export interface RouterOptions {
  /** Id of this server; its direct channel is named after it. */
  readonly serverId: string;
  /** Where messages go out and come in. */
  readonly bus: Bus;
  /** Where a user's connections are looked up. */
  readonly users: Pick<UserDirectory, "states">;
  /** The sockets of this process. */
  readonly local: LocalDelivery;
  /**
   * Who is alive. Needed to ask the whole cluster, and to find out after an interruption
   * what was missed; without it, members are only told that something may have been.
   */
  readonly servers?: Pick<ServerRegistry, "snapshot"> | undefined;
  /**
   * Whether this server holds its lease; for one that has none, leave it out. Where it is given,
   * a user is `not-found` only while it is true and `servers` knows this server and has not lost
   * its data, else `unavailable`: the store may have forgotten the user's connections.
   */
  readonly holdsLease?: (() => boolean) | undefined;
  /** How long a room's channel is kept after its last local member left. Default 5,000; 0 to 600,000. */
  readonly releaseDelayMs?: number | undefined;
  /** The most channels kept that way; beyond it the oldest is let go at once. Default 1,000. */
  readonly maxIdleSubscriptions?: number | undefined;
  /**
   * The most rooms and servers whose messages this server keeps a numbering for;
   * beyond it the oldest is forgotten and starts again when it is needed. Also the most recoverable
   * rooms published to in a minute whose acknowledged positions are kept, to be compared with their
   * histories after an interruption. A room that was published to once counts as any other.
   * Default 100,000; 1 to 10,000,000.
   */
  readonly maxSequencers?: number | undefined;
  /** Called once for each hole that is noticed. Must not throw. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Takes messages that other servers send to this one with `toServer`. */
  readonly onServerMessage?: ServerMessageHandler | undefined;
  /** Default: refuses with `operation-unknown`. A ping is answered by the router itself. */
  readonly onControl?: ControlHandler | undefined;
  /** Default: refuses with `operation-unknown`. */
  readonly onQuestion?: QuestionHandler | undefined;
  /**
   * In which order members get the room's messages. Always the same for a room, and on
   * all servers. Default: `room`.
   */
  readonly orderOf?: ((room: string) => RoomOrder) | undefined;
  /** What becomes of the room's messages that the bus can't take. Always the same for a room. Default: `refuse`. */
  readonly whileDown?: ((room: string) => WhileDown) | undefined;
  /**
   * Which rooms keep their messages for a while in `history`, so that what a server or a
   * client missed is made up for. Always the same for a room, and on all servers. Not for
   * rooms in publisher order or that deliver locally. A frame for such a room is the text
   * of a JSON object with at least one field, else `frame-invalid`; it reaches members with
   * the fields `epoch` and `offset` in front. Default: none.
   */
  readonly isRecoverable?: ((room: string) => boolean) | undefined;
  /** Needed for recoverable rooms: a store's `history`. */
  readonly history?: History | undefined;
  /**
   * The most requests that wait for another server's answer, and the most of other
   * servers that are under way here. Default 10,000; 1 to 1,000,000.
   */
  readonly maxPending?: number | undefined;
  /** Failures that no caller is waiting for. Default: dropped. */
  readonly onError?: OnError | undefined;
}

/** {@link RouterOptions} with every default filled in. */
export type ResolvedRouterOptions = Complete<Omit<RouterOptions, "servers" | "history" | "holdsLease">> & {
  readonly servers: RouterOptions["servers"];
  readonly history: RouterOptions["history"];
  readonly holdsLease: RouterOptions["holdsLease"];
};

const KNOWN: Readonly<Record<keyof RouterOptions, true>> = {
  serverId: true,
  bus: true,
  users: true,
  local: true,
  servers: true,
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
  history: true,
  maxPending: true,
  onError: true,
};

/** Fills in the defaults; throws `options-invalid` or `id-invalid`. */
export function resolveRouterOptions(given: RouterOptions): ResolvedRouterOptions {
  const options = requireOptions(given, KNOWN);
  const { servers, history, holdsLease, isRecoverable = () => false } = options;
  const {
    releaseDelayMs = 5_000,
    maxIdleSubscriptions = 1_000,
    maxSequencers = 100_000,
    maxPending = 10_000,
  } = options;
  const { onGap = () => undefined, onServerMessage = () => undefined, onError = () => undefined } = options;
  const { onControl = refuse, onQuestion = refuse, orderOf = () => "room", whileDown = () => "refuse" } = options;
  if (options.isRecoverable !== undefined && history === undefined) {
    throw new CmError("options-invalid", "isRecoverable needs a history.", { details: { field: "history" } });
  }
  return {
    serverId: requireServerId(requireText("serverId", options.serverId)),
    bus: requireMembers("bus", options.bus, ["publish", "subscribe"]),
    users: requireMembers("users", options.users, ["states"]),
    local: requireMembers("local", options.local, ["toRoom", "toConnection", "toUser"]),
    releaseDelayMs: requireDurationMs("releaseDelayMs", releaseDelayMs, 0, 600_000),
    maxIdleSubscriptions: requireWholeNumber("maxIdleSubscriptions", maxIdleSubscriptions, { min: 0, max: 1_000_000 }),
    maxSequencers: requireWholeNumber("maxSequencers", maxSequencers, { min: 1, max: 10_000_000 }),
    onGap: requireFunction("onGap", onGap),
    onServerMessage: requireFunction("onServerMessage", onServerMessage),
    onControl: requireFunction("onControl", onControl),
    onQuestion: requireFunction("onQuestion", onQuestion),
    orderOf: requireFunction("orderOf", orderOf),
    whileDown: requireFunction("whileDown", whileDown),
    maxPending: requireWholeNumber("maxPending", maxPending, { min: 1, max: 1_000_000 }),
    servers: servers === undefined ? undefined : requireMembers("servers", servers, ["snapshot"]),
    holdsLease: holdsLease === undefined ? undefined : requireFunction("holdsLease", holdsLease),
    isRecoverable: requireFunction("isRecoverable", isRecoverable),
    history:
      history === undefined ? undefined : requireMembers("history", history, ["append", "since", "restart", "link"]),
    onError: requireFunction("onError", onError),
  };
}

/** How long to wait for a confirmation, where one is wanted. Throws `options-invalid`. */
export function requireConfirmation(confirmation: Confirmation | undefined): void {
  if (confirmation === undefined) return;
  requireFields("confirmation", confirmation, { confirmMs: true }, "{ confirmMs: 2_000 }");
  requireDurationMs("confirmMs", confirmation.confirmMs, 1, 600_000);
}

/** How long to wait for an answer, in milliseconds. Throws `options-invalid`. */
export function requireAnswerTime(time: AnswerTime): number {
  requireFields("time", time, { timeoutMs: true }, "{ timeoutMs: 2_000 }");
  return requireDurationMs("timeoutMs", time.timeoutMs, 1, 600_000);
}

/** From where, how much and by whom messages are recovered. Throws `options-invalid`. */
export function requireRecovery(from: HistoryPosition, limit: RecoveryLimit, take: (recovery: Recovery) => void): void {
  if (typeof from !== "object" || from === null) {
    throw optionInvalid("from", "a position, such as positionOf(room) gives");
  }
  requireFunction("take", take);
  const { maxMessages, maxBytes } = requireFields("limit", limit, { maxMessages: true, maxBytes: true }, LIMIT_EXAMPLE);
  requireWholeNumber("maxMessages", maxMessages, { min: 1, max: 10_000 });
  requireWholeNumber("maxBytes", maxBytes, { min: 1, max: Number.MAX_SAFE_INTEGER }, "bytes");
}

const LIMIT_EXAMPLE = "{ maxMessages: 100, maxBytes: 65_536 }";

async function refuse(): Promise<never> {
  throw new CmError("operation-unknown", "This server does not do that.");
}
