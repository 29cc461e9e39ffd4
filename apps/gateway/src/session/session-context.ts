import type { Node } from "@cm/node";
import type { ConnectionLimits } from "@cm/protocol";
import { Semaphore } from "@cm/protocol/turns";
import { type BucketRate, burstRate, type FaultCounter } from "@cm/transport";
import type { GatewayUser, ResolvedGatewayOptions } from "../gateway-options.js";
import type { AudienceCharges } from "../limits/audience-charges.js";
import type { FanOutBudget } from "../limits/fan-out-budget.js";
import type { LimitCounter } from "../limits/limit-counter.js";
import type { ClosingHooks } from "./closing-hooks.js";
import type { CredentialTimes } from "./credential-expiry.js";
import { PacedRegistrations } from "./paced-registrations.js";
import { PacedTasks } from "./paced-tasks.js";
import type { PermissionContext } from "./permissions.js";
import { PAGES_AT_ONCE, type RoomContext } from "./rooms/room-requests.js";
import { SignedCursors } from "./rooms/signed-cursors.js";
import { UserConnectionLimit } from "./user-connection-limit.js";

/** Context shared by all sessions of a gateway. */
export interface SessionContext extends PermissionContext, RoomContext {
  readonly limits: ConnectionLimits;
  /** The rate of requests of one connection, with bursts. */
  readonly requestRate: BucketRate;
  /** The rate of bytes that one connection may send in frames, with bursts; 0: no limit. */
  readonly byteRate: BucketRate;
  readonly fanOut: FanOutBudget;
  readonly charges: AudienceCharges;
  readonly userLimit: UserConnectionLimit;
  /** Removes closed connections from the store; the size of a task is the number of entries to remove. */
  readonly removals: PacedTasks;
  readonly closingHooks: ClosingHooks;
  readonly reached: LimitCounter;
  /** While more than this many bytes are queued for a client, its requests that read from the store are refused. */
  readonly maxUnreadBytes: number;
  /** Counts the requests and frames that are answered with an error. */
  readonly refused: Pick<FaultCounter, "count">;
  /** Counts every faulty frame and every request over the rate. */
  readonly faults: Pick<FaultCounter, "count">;
  /** Milliseconds on a monotonic clock. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly credentialTimes: CredentialTimes;
  /**
   * Returns the user of a token that a connected client sends to replace that of `present`. Rejects if the token
   * is not valid or must not replace the present one. `undefined` if clients can't send tokens.
   */
  readonly refresh: ((token: string, present: GatewayUser) => Promise<GatewayUser>) | undefined;
  /** Receives the gateway's own faults, which the client only sees as `internal`. */
  readonly onFault: (error: unknown) => void;
}

/** The parts of the context that are shared with other parts of the gateway. */
export type SharedParts = Pick<
  SessionContext,
  "fanOut" | "charges" | "reached" | "refused" | "faults" | "hookCalls" | "closingHooks" | "refresh" | "onFault"
>;

/**
 * Maximum number of entries of closed connections that are removed from the store at a time. A connection in 9 rooms
 * has 10: its registration and 9 memberships.
 */
const REMOVALS_AT_ONCE_MAX = 100;

/** Maximum number of missed messages that a client is sent when it resumes: as many as a history keeps by default. */
const RECOVERED_MESSAGES_MAX = 1_000;

/** Creates the context of a gateway's sessions. */
export function createSessionContext(config: ResolvedGatewayOptions, node: Node, parts: SharedParts): SessionContext {
  const { membership, presence, router, store } = node;
  const { maxBackpressureBytes, clock } = config;
  const monotonicMs = (): number => clock.monotonicMs();
  // Keep well below the limit for slow readers, so that a client that is sent this much is not treated as one.
  const recovery = { maxMessages: RECOVERED_MESSAGES_MAX, maxBytes: Math.floor(maxBackpressureBytes / 2) };
  return {
    ...parts,
    serverId: config.showServerIds ? node.serverId : undefined,
    membership,
    presence,
    router,
    rooms: store.rooms,
    limits: {
      maxFrameBytes: config.maxFrameBytes,
      maxRooms: config.maxRooms,
      maxRequestsPerSecond: config.maxRequestsPerSecond,
      idleTimeoutMs: config.idleTimeoutMs,
      maxRecoveredMessages: recovery.maxMessages,
      maxRecoveredBytes: recovery.maxBytes,
    },
    requestRate: burstRate(config.maxRequestsPerSecond),
    byteRate: burstRate(config.maxBytesPerSecond),
    maxUnreadBytes: Math.floor(maxBackpressureBytes / 4),
    userLimit: new UserConnectionLimit({
      policy: config.connectionsPerUserPolicy,
      maxConnectionsPerUser: config.maxConnectionsPerUser,
      membership: new PacedRegistrations(membership, monotonicMs),
      store,
      router,
      limits: parts.reached,
    }),
    removals: new PacedTasks(REMOVALS_AT_ONCE_MAX),
    cursors: new SignedCursors(),
    pageReads: new Semaphore(PAGES_AT_ONCE.server),
    recovery,
    hooks: config.hooks,
    credentialTimes: { warningMs: config.tokenWarningMs, graceMs: config.tokenGraceMs },
    now: () => clock.now(),
    monotonicMs,
  };
}
