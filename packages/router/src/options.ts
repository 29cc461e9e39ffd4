import {
  type Bus,
  CmError,
  type ControlOperation,
  type History,
  type LocalDelivery,
  type OnError,
  requireServerId,
  type ServerRegistry,
  type UserDirectory,
} from "@cm/protocol";
import type { RecoveryLimit } from "./recovery/room-recovery.js";
import type { RoomOrder, WhileDown } from "./rooms/room-policy.js";

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
 * Carries out what somebody asks of a connection of this server, or of the server itself.
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
  readonly bus: Bus;
  /** Where a user's connections are looked up. */
  readonly users: Pick<UserDirectory, "connectionsOf">;
  /** The sockets of this process. */
  readonly local: LocalDelivery;
  /**
   * Who is alive. Needed to ask the whole cluster, and to find out after an interruption
   * what was missed; without it, members are only told that something may have been.
   */
  readonly servers?: Pick<ServerRegistry, "list" | "snapshot">;
  /** How long a room's channel is kept after its last local member left. Default 5,000; 0 to 600,000. */
  readonly releaseDelayMs?: number;
  /** The most channels kept that way; beyond it the oldest is let go at once. Default 1,000. */
  readonly maxIdleSubscriptions?: number;
  /**
   * The most rooms and servers whose messages this server keeps a numbering for;
   * beyond it the oldest is forgotten and starts anew when it is needed. Default 100,000.
   */
  readonly maxSequencers?: number;
  /** Called once for each hole that is noticed. Must not throw. */
  readonly onGap?: (gap: Gap) => void;
  readonly onServerMessage?: ServerMessageHandler;
  /** Default: refuses with `operation-unknown`. A ping is answered by the router itself. */
  readonly onControl?: ControlHandler;
  /** Default: refuses with `operation-unknown`. */
  readonly onQuestion?: QuestionHandler;
  /**
   * In which order members get the room's messages. Always the same for a room, and on
   * all servers. Default: `room`.
   */
  readonly orderOf?: (room: string) => RoomOrder;
  /** What becomes of the room's messages that the bus can't take. Always the same for a room. Default: `refuse`. */
  readonly whileDown?: (room: string) => WhileDown;
  /**
   * Which rooms keep their messages for a while in `history`, so that what a server or a
   * client missed is made up for. Always the same for a room, and on all servers. Not for
   * rooms in publisher order or that deliver locally. A frame for such a room is the text
   * of a JSON object with at least one field, else `frame-invalid`; it reaches members with
   * the fields `epoch` and `offset` in front. Default: none.
   */
  readonly isRecoverable?: (room: string) => boolean;
  /** Needed for recoverable rooms: a store's `history`. */
  readonly history?: History | undefined;
  /**
   * The most requests that wait for another server's answer, and the most of other
   * servers that are under way here. Default 10,000; 1 to 1,000,000.
   */
  readonly maxPending?: number;
  /** Failures that no caller is waiting for. Default: dropped. */
  readonly onError?: OnError;
}

/** {@link RouterOptions} with every default filled in. */
export type ResolvedRouterOptions = Required<Omit<RouterOptions, "servers" | "history">> & {
  readonly servers: RouterOptions["servers"];
  readonly history: RouterOptions["history"];
};

/** Fills in the defaults; throws `options-invalid` or `id-invalid`. */
export function resolveRouterOptions(options: RouterOptions): ResolvedRouterOptions {
  if (options.isRecoverable !== undefined && options.history === undefined) {
    throw new CmError("options-invalid", "isRecoverable needs a history.", { details: { field: "history" } });
  }
  return {
    serverId: requireServerId(options.serverId),
    bus: options.bus,
    users: options.users,
    local: options.local,
    releaseDelayMs: wholeNumber("releaseDelayMs", options.releaseDelayMs ?? 5_000, 0, 600_000),
    maxIdleSubscriptions: wholeNumber("maxIdleSubscriptions", options.maxIdleSubscriptions ?? 1_000, 0, 1_000_000),
    maxSequencers: wholeNumber("maxSequencers", options.maxSequencers ?? 100_000, 1, 10_000_000),
    onGap: options.onGap ?? (() => undefined),
    onServerMessage: options.onServerMessage ?? (() => undefined),
    onControl: options.onControl ?? refuse,
    onQuestion: options.onQuestion ?? refuse,
    orderOf: options.orderOf ?? (() => "room"),
    whileDown: options.whileDown ?? (() => "refuse"),
    maxPending: wholeNumber("maxPending", options.maxPending ?? 10_000, 1, 1_000_000),
    servers: options.servers,
    isRecoverable: options.isRecoverable ?? (() => false),
    history: options.history,
    onError: options.onError ?? (() => undefined),
  };
}

/** How long to wait for an answer, in milliseconds. Throws `options-invalid`. */
export function requireTimeout(field: "confirmMs" | "timeoutMs", value: number): number {
  return wholeNumber(field, value, 1, 600_000);
}

/** How much may be recovered at once. Throws `options-invalid`. */
export function requireRecoveryLimit({ maxMessages, maxBytes }: RecoveryLimit): void {
  wholeNumber("maxMessages", maxMessages, 1, 10_000);
  wholeNumber("maxBytes", maxBytes, 1, Number.MAX_SAFE_INTEGER);
}

async function refuse(): Promise<never> {
  throw new CmError("operation-unknown", "This server does not do that.");
}

function wholeNumber(field: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new CmError("options-invalid", `${field} must be a whole number from ${min} to ${max}.`, {
    details: { field, min, max },
  });
}
