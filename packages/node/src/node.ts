import type { Membership } from "@cm/membership";
import type { Presence } from "@cm/presence";
import type { CmError, Store } from "@cm/protocol";
import type { Router } from "@cm/router";
import type { NodePhase, Readiness } from "./readiness.js";

/** Options of {@link Node.drain}. */
export interface DrainOptions {
  /**
   * Time over which connections are moved away, in milliseconds; 0: all at once. Default 10,000; 0 to
   * 3,600,000.
   */
  readonly overMs?: number | undefined;
}

/**
 * A part of the application that the node starts and closes, such as a WebSocket server. It is started
 * when the node can serve, and closed before the node withdraws from the cluster.
 */
export interface NodePart {
  /** Starts the part. If it rejects, the node's start fails. */
  start(): Promise<unknown>;
  /**
   * Moves the part's connections to other servers. Resolves when all clients have been notified. A part
   * without this method is not drained.
   */
  drain?(options: { readonly overMs: number }): Promise<void>;
  /**
   * Closes the part. Also called if `start` failed or has not finished: it must then undo what `start`
   * has done.
   */
  close(): Promise<void>;
}

/**
 * One process of a cluster: store, router, membership and presence, started and closed together.
 *
 * The parts are created with the node and can be passed on before {@link start}. Their calls reject with `closed`
 * before the start, with the name of the call in `details.call`, and after {@link close}. If the application passes
 * a store, the presence works as soon as that store is started.
 */
export interface Node {
  /** The server id of this process. */
  readonly serverId: string;
  /** The store that all parts share: the one passed in the options, otherwise the one that the node created. */
  readonly store: Store;
  /** Sends messages to rooms, connections, users and servers. */
  readonly router: Router;
  /**
   * Registers the connections of this process. If the node takes no lease (`lease: false`), nothing can be
   * registered: every call that would write rejects with `options-invalid`, with `lease` in `details.field`;
   * `close` and `leave` do nothing, `isMember` is `false`, and all numbers of `stats` are 0.
   */
  readonly membership: Membership;
  /** Tells who is online and who is in which room. */
  readonly presence: Presence;
  /** The current phase of the node's life cycle. */
  readonly phase: NodePhase;
  /** Whether the node should get new work: {@link readiness} without its reasons. */
  readonly isReady: boolean;
  /**
   * Resolves when this server has been expelled from the cluster because its lease expired and another
   * process took its id. The node then closes by itself.
   */
  readonly expelled: Promise<CmError>;
  /** Returns whether the node should get new work at this moment, and if not, why. */
  readiness(): Readiness;
  /**
   * Starts the store (if the node created it), the router, the membership and the parts, in that order. They
   * are started once, no matter how often the method is called. Rejects with their errors (`unavailable`,
   * `layout-mismatch`, `server-id-taken`), or with `closed` if the node is closed before the start has
   * finished. In these cases everything that was started is closed, and the node can't be started again.
   */
  start(): Promise<void>;
  /**
   * Makes the node not ready, and has each part move its connections to other servers while everything else
   * keeps working. Resolves when the parts have finished, or at once if the node is closing. Later calls
   * return the promise of the first. Rejects with `unavailable` while the node starts and with
   * `options-invalid` for an invalid option, in both cases without draining anything, and with the errors of
   * the parts. `close` closes the node even if the drain failed.
   */
  drain(options?: DrainOptions): Promise<void>;
  /**
   * Closes everything in the reverse order of the start, and withdraws from the cluster. A store that
   * was given as an option stays open. Idempotent: every call returns the same promise. Never rejects:
   * if a part can't be closed, the error is passed to `onError` with the stage `link`.
   */
  close(): Promise<void>;
  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
