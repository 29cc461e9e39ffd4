import { type Bus, CmError, type LocalDelivery, type OnError, requireServerId, type UserDirectory } from "@cm/protocol";

/** Messages for one room, or for this server, that did not arrive here. */
export interface Gap {
  /** The room; `undefined` where direct messages to this server are missing. */
  readonly room: string | undefined;
  /**
   * Who numbered them and how many numbers are missing; a message whose publisher was
   * told that it failed may be among them. `undefined` where the subscription was
   * interrupted: messages may be missing, of anybody. What their numbers then show is
   * reported as well.
   */
  readonly known: { readonly origin: string; readonly missed: number } | undefined;
}

/** Takes a message that another server's application sent to this one. Must not throw. */
export type ServerMessageHandler = (message: { readonly origin: string; readonly payload: Uint8Array }) => void;

/** What a router needs. */
export interface RouterOptions {
  /** Id of this server; its direct channel is named after it. */
  readonly serverId: string;
  readonly bus: Bus;
  /** Where a user's connections are looked up. */
  readonly users: Pick<UserDirectory, "connectionsOf">;
  /** The sockets of this process. */
  readonly local: LocalDelivery;
  /** How long a room's channel is kept after its last local member left. Default 5,000; 0 to 600,000. */
  readonly releaseDelayMs?: number;
  /** The most channels kept that way; beyond it the oldest is let go at once. Default 1,000. */
  readonly maxIdleSubscriptions?: number;
  /**
   * The most rooms and servers whose messages this server keeps a numbering for;
   * beyond it the oldest is forgotten and starts anew when it is needed. Default 100,000.
   */
  readonly maxNumberings?: number;
  /** Called once for each hole that is noticed. Must not throw. */
  readonly onGap?: (gap: Gap) => void;
  readonly onServerMessage?: ServerMessageHandler;
  /** Failures that no caller is waiting for. Default: dropped. */
  readonly onError?: OnError;
}

/** {@link RouterOptions} with every default filled in. */
export type ResolvedRouterOptions = Required<RouterOptions>;

/** Fills in the defaults; throws `options-invalid` or `id-invalid`. */
export function resolveRouterOptions(options: RouterOptions): ResolvedRouterOptions {
  return {
    serverId: requireServerId(options.serverId),
    bus: options.bus,
    users: options.users,
    local: options.local,
    releaseDelayMs: wholeNumber("releaseDelayMs", options.releaseDelayMs ?? 5_000, 0, 600_000),
    maxIdleSubscriptions: wholeNumber("maxIdleSubscriptions", options.maxIdleSubscriptions ?? 1_000, 0, 1_000_000),
    maxNumberings: wholeNumber("maxNumberings", options.maxNumberings ?? 100_000, 1, 10_000_000),
    onGap: options.onGap ?? (() => undefined),
    onServerMessage: options.onServerMessage ?? (() => undefined),
    onError: options.onError ?? (() => undefined),
  };
}

function wholeNumber(field: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new CmError("options-invalid", `${field} must be a whole number from ${min} to ${max}.`, {
    details: { field, min, max },
  });
}
