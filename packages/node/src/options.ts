import {
  type CmError,
  type ConnectionIdSource,
  createConnectionIdSource,
  isServerId,
  type LocalDelivery,
  type OnError,
  randomBase36,
} from "@cm/protocol";
import { optionInvalid, requireOptions, requirePrefix, requireWholeNumber } from "@cm/protocol/options";
import { createFailureWarnings } from "./failure-warnings.js";
import type { NodePart } from "./node.js";
import type { NodeStoreOptions } from "./node-store.js";
import {
  expectationOf,
  MEMBERSHIP_KINDS,
  type OptionKind,
  PRESENCE_KINDS,
  ROUTER_KINDS,
  STORE_KINDS,
} from "./option-kinds.js";
import type { NodeMembershipOptions, NodePresenceOptions, NodeRouterOptions } from "./part-options.js";

/** What {@link createNode} takes. Everything has a default. Ranges are those of the parts. */
export interface NodeOptions extends NodeStoreOptions, NodeRouterOptions, NodeMembershipOptions, NodePresenceOptions {
  /**
   * 1 to 64 of `A-Z a-z 0-9 _ -`, unlike that of any other living server or worker; best left out where nothing
   * refers to it. Default: `server-` and 12 random characters.
   */
  readonly serverId?: string | undefined;
  /** Connections that the ids are laid out for; see `createConnectionIdSource`. Default 10,000. */
  readonly capacity?: number | undefined;
  /** The sockets, or handlers, of this process. Default: there are none, as in a worker. */
  readonly local?: LocalDelivery | undefined;
  /**
   * Whether the node takes a lease, and so is listed among the servers, can register
   * connections, answers questions to the cluster and cleans up after dead servers. Without
   * it the node publishes, sends, asks and reads all the same; it hears of dead servers only
   * by their silence, and what it published while another server's link was interrupted is
   * missed there until its next message shows the gap. Default: whether `local` is given.
   */
  readonly lease?: boolean | undefined;
  /**
   * How long a server may be silent, neither giving signs of life nor listening to its channel, before its lease is
   * ended, in milliseconds: a process that died is found by it long before its lease runs out. A server that
   * started less than twice this time ago judges no other one. 0: only the lease decides, up to `leaseTtlMs`
   * (90,000) after the death. Default 5,000, while that of a membership alone is 0; 100 to 3,600,000.
   */
  readonly deadAfterMs?: number | undefined;
  /** Started in this order when the node can serve, ended first, in reverse. Default: none. */
  readonly parts?: readonly NodePart[] | undefined;
  /** Another process took this server's id, and the node has begun to close. Must not throw. */
  readonly onExpelled?: ((error: CmError) => void) | undefined;
  /** Failures that no caller is waiting for. Must not throw. Default: {@link createFailureWarnings}. */
  readonly onError?: OnError | undefined;
}

/** {@link NodeOptions}, checked as far as they are the node's own. */
export interface ResolvedNodeOptions {
  readonly ids: ConnectionIdSource;
  readonly local: LocalDelivery;
  readonly lease: boolean;
  readonly parts: readonly NodePart[];
  readonly onExpelled: (error: CmError) => void;
  readonly onError: OnError;
}

const KINDS: Readonly<Record<keyof NodeOptions, OptionKind>> = {
  ...STORE_KINDS,
  ...ROUTER_KINDS,
  ...MEMBERSHIP_KINDS,
  ...PRESENCE_KINDS,
  serverId: "string",
  capacity: "number",
  local: "local",
  lease: "boolean",
  parts: "parts",
  onExpelled: "function",
  onError: "function",
};

const NOWHERE: LocalDelivery = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };

/** Fills in the defaults. Throws `options-invalid`, whose details name the option as `field`. */
export function resolveNodeOptions(options: NodeOptions): ResolvedNodeOptions {
  requireKinds(options);
  const { serverId = `server-${randomBase36(12)}`, capacity = 10_000, local } = options;
  if (!isServerId(serverId)) throw optionInvalid("serverId", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  if (options.prefix !== undefined) requirePrefix("prefix", options.prefix);
  requireWholeNumber("capacity", capacity, { min: 1, max: Number.MAX_SAFE_INTEGER });
  return {
    ids: createConnectionIdSource({ serverId, capacity }),
    local: local ?? NOWHERE,
    lease: options.lease ?? local !== undefined,
    parts: options.parts ?? [],
    onExpelled: options.onExpelled ?? (() => undefined),
    onError: options.onError ?? createFailureWarnings(),
  };
}

function requireKinds(options: NodeOptions): void {
  const kinds: Readonly<Record<string, OptionKind>> = KINDS;
  for (const [field, value] of Object.entries(requireOptions(options, KINDS))) {
    const kind = kinds[field];
    const expected = kind === undefined || value === undefined ? undefined : expectationOf(kind, value);
    if (expected !== undefined) throw optionInvalid(field, expected);
  }
}
