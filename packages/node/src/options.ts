import {
  type CmError,
  type ConnectionIdSource,
  createConnectionIdSource,
  isServerId,
  type LocalDelivery,
  type OnError,
  randomBase36,
} from "@cm/protocol";
import {
  guardedCallback,
  optionInvalid,
  requireOptions,
  requirePrefix,
  requireWholeNumber,
} from "@cm/protocol/options";
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
} from "./option-type-checks.js";
import type { NodeMembershipOptions, NodePresenceOptions, NodeRouterOptions } from "./part-options.js";

/**
 * Options of {@link createNode}. Every option has a default. Ranges that are not given here are those of the
 * part that receives the option.
 */
export interface NodeOptions extends NodeStoreOptions, NodeRouterOptions, NodeMembershipOptions, NodePresenceOptions {
  /**
   * The server id: 1 to 64 characters of `A-Z a-z 0-9 _ -`, different from that of any other living
   * server or worker. Best left out unless something refers to it. Default: `server-` and 12 random
   * characters.
   */
  readonly serverId?: string | undefined;
  /** Number of connections that the ids are designed for; see `createConnectionIdSource`. Default 10,000. */
  readonly capacity?: number | undefined;
  /** The sockets, or handlers, of this process. Default: none, as in a worker. */
  readonly local?: LocalDelivery | undefined;
  /**
   * Whether the node takes a lease, so that it is listed among the servers, can register connections, answers
   * questions to the cluster and cleans up dead servers. A node without a lease can still publish, send, ask and
   * read. If a server dies while such a node waits for its response, the request ends only by its timeout. If
   * another server's link was interrupted, that server notices missed messages of this node only by the gap at this
   * node's next message. Default: `true` if `local` is given, otherwise `false`.
   */
  readonly lease?: boolean | undefined;
  /**
   * Time without a sign of life after which a server's lease is ended, in milliseconds; a server that listens
   * to its channel keeps its lease. So a dead process is detected long before its lease expires. A server
   * that started less than twice this time ago does not end the leases of others. 0: only the lease decides,
   * up to `leaseTtlMs` (90,000) after the death. Default 5,000 (0 for a membership without a node); 100 to
   * 3,600,000.
   */
  readonly deadAfterMs?: number | undefined;
  /**
   * Parts of the application, started in this order when the node can serve, and closed first, in
   * reverse order. Default: none.
   */
  readonly parts?: readonly NodePart[] | undefined;
  /**
   * Called when another process has taken this server's id and the node has begun to close. If it throws or rejects, the
   * error goes to `onError`.
   */
  readonly onExpelled?: ((error: CmError) => void) | undefined;
  /**
   * Receives failures that no caller is waiting for. Must not throw. Default:
   * {@link createFailureWarnings}.
   */
  readonly onError?: OnError | undefined;
}

/**
 * {@link NodeOptions} with defaults filled in. Contains only the options of the node itself, not those of its
 * parts.
 */
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

/**
 * Checks the options and fills in the defaults. Throws `options-invalid`, with the option's name in
 * `details.field`.
 */
export function resolveNodeOptions(options: NodeOptions): ResolvedNodeOptions {
  requireKinds(options);
  const { serverId = `server-${randomBase36(12)}`, capacity = 10_000, local } = options;
  if (!isServerId(serverId)) throw optionInvalid("serverId", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  if (options.prefix !== undefined) requirePrefix("prefix", options.prefix);
  requireWholeNumber("capacity", capacity, { min: 1, max: Number.MAX_SAFE_INTEGER });
  const onError = options.onError ?? createFailureWarnings();
  return {
    ids: createConnectionIdSource({ serverId, capacity }),
    local: local ?? NOWHERE,
    lease: options.lease ?? local !== undefined,
    parts: options.parts ?? [],
    onExpelled: guardedCallback("onExpelled", options.onExpelled ?? (() => undefined), onError, undefined),
    onError,
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
