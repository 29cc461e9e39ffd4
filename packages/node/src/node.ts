import type { Membership } from "@cm/membership";
import type { Presence } from "@cm/presence";
import type { CmError, Store } from "@cm/protocol";
import type { Router } from "@cm/router";
import type { NodePhase, Readiness } from "./readiness.js";

/** How a node is drained. */
export interface DrainOptions {
  /** The time over which connections are sent elsewhere, in milliseconds; 0: all at once. Default 10,000; 0 to 3,600,000. */
  readonly overMs?: number | undefined;
}

/**
 * A part of the application that lives within a node, such as a server of sockets. It
 * starts when the node can serve, and ends before the node withdraws.
 */
export interface NodePart {
  /** A failure fails the node's start. */
  start(): Promise<unknown>;
  /** Sends the connections elsewhere; resolves when all were told. Default: nothing. */
  drain?(options: { readonly overMs: number }): Promise<void>;
  /** Also called where `start` failed or is not finished: ends what it had begun. */
  close(): Promise<void>;
}

/**
 * One process of a cluster: store, router, membership and presence with one life.
 *
 * The parts are made with the node and can be handed on before {@link start}; their calls
 * fail with `closed` before it, with an error whose details name the `call`, and after {@link close}. The presence of
 * a node whose store was handed over works as soon as that is started.
 */
export interface Node {
  /** Id of this process among the servers. */
  readonly serverId: string;
  /** The store that all parts share: the one that was given, or the node's own. */
  readonly store: Store;
  /** Messages to rooms, connections, users and servers. */
  readonly router: Router;
  /**
   * The connections of this process. Where the node takes no lease (`lease: false`), it can
   * register nothing: every call that would write fails with `options-invalid`, whose
   * details name `lease`; `close` and `leave` do nothing, and the numbers are 0.
   */
  readonly membership: Membership;
  /** Who is online and who is in which room. */
  readonly presence: Presence;
  /** Where in its life the node is. */
  readonly phase: NodePhase;
  /** Whether it should get new work: {@link readiness} without its reasons. */
  readonly isReady: boolean;
  /**
   * Settles when this server has no place in the cluster any more: its lease ran out and
   * another process took its id. The node closes by itself then.
   */
  readonly expelled: Promise<CmError>;
  /** Whether it should get new work, and why not, at this moment. */
  readiness(): Readiness;
  /**
   * Starts the store (where the node made it), router, membership and parts, in that order,
   * once however often it is called. Fails as they do (`unavailable`, `layout-mismatch`,
   * `server-id-taken`), or with `closed` where it was closed meanwhile. What had been
   * started is ended then, and the node can't be started again.
   */
  start(): Promise<void>;
  /**
   * Not ready from now on; has each part send its connections elsewhere, while everything
   * works on. Resolves when the parts have, and at once where the node is closing. Every
   * call returns the same promise. Fails with `unavailable` while the node starts, with `options-invalid`, which
   * drains nothing, and as the parts do; `close` ends the node in every case.
   */
  drain(options?: DrainOptions): Promise<void>;
  /**
   * Ends everything in the reverse order of its start, and withdraws from the cluster. A
   * store that was handed in stays open. Idempotent, every call returns the same promise;
   * it never fails: a part that can't be closed goes to `onError` with the stage `link`.
   */
  close(): Promise<void>;
  /** As {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}
