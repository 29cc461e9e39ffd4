import { createMembership, type Membership } from "@cm/membership";
import { createPresence, type Presence } from "@cm/presence";
import { CmError, type OnError, type Store, toCmError } from "@cm/protocol";
import { createRouter, type Router } from "@cm/router";
import { definedOnly, type ManagerNodeOptions, resolveNodeParts } from "./options.js";

/** What writing everything anew may take, after the heartbeat that finds it lost. */
const RESTORE_MARGIN_MS = 5_000;

/**
 * One server of a cluster, put together: store, router, membership and presence with one
 * life. Both programming interfaces stand on it.
 */
export class ManagerNode {
  readonly serverId: string;
  readonly store: Store;
  readonly router: Router;
  readonly membership: Membership;
  readonly presence: Presence;
  readonly onError: OnError;
  readonly #ownsStore: boolean;
  /** What has been started, in that order, and how it is ended. */
  readonly #releasers: (() => Promise<void>)[] = [];
  #starting: Promise<void> | undefined;
  #isServing = false;
  #shutdown: Promise<void> | undefined;

  /** Touches nothing until {@link start}. Throws `options-invalid`. */
  constructor(options: ManagerNodeOptions) {
    const { ids, store, ownsStore, onError } = resolveNodeParts(options);
    this.serverId = ids.serverId;
    this.store = store;
    this.#ownsStore = ownsStore;
    this.onError = onError;
    this.router = createRouter({
      serverId: ids.serverId,
      bus: store.bus,
      users: store.users,
      servers: store.servers,
      local: options.local,
      onError,
      ...definedOnly({
        onControl: options.onControl,
        onQuestion: options.onQuestion,
        onServerMessage: options.onServerMessage,
        onGap: options.onGap,
      }),
    });
    this.membership = createMembership({
      ids,
      store,
      interest: this.router,
      onError,
      onLeaseTaken: (error) => {
        // There is no place for this server any more.
        onError(error, { stage: "lease" });
        void this.shutdown();
        options.onExpelled?.();
      },
      onServersLost: (serverIds) => {
        for (const serverId of serverIds) this.router.serverLost(serverId);
      },
      ...definedOnly({
        host: options.host,
        port: options.port,
        heartbeatIntervalMs: options.heartbeatIntervalMs,
        leaseTtlMs: options.leaseTtlMs,
        connectionTtlMs: options.connectionTtlMs,
        offlineGraceMs: options.offlineGraceMs,
        maxMetadataBytes: options.maxMetadataBytes,
        staleConnectionTimeoutMs: options.staleConnectionTimeoutMs,
        cleanupIntervalMs: options.cleanupIntervalMs,
        lastSeenOf: options.lastSeenOf,
        onStale: options.onStale,
        onRestored: options.onRestored,
      }),
    });
    this.presence = createPresence({
      users: store.users,
      rooms: store.rooms,
      bus: store.bus,
      restoreWithinMs: Math.max(1_000, (options.heartbeatIntervalMs ?? 30_000) + RESTORE_MARGIN_MS),
      onError,
    });
  }

  /** Whether calls can be expected to succeed: started, the lease held, the store's layout its own, the link in sync. */
  get isReady(): boolean {
    return (
      this.#isServing &&
      this.#shutdown === undefined &&
      this.membership.holdsLease &&
      this.membership.fault === undefined &&
      this.store.link.state === "in-sync"
    );
  }

  /**
   * Starts everything, once however often it is called. Fails with `unavailable`,
   * `layout-mismatch` or `server-id-taken`, or `closed` where it was shut down meanwhile;
   * what had been started is ended then, and it can't be started again.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Whether it was shut down, or is about to be. */
  get isShutDown(): boolean {
    return this.#shutdown !== undefined;
  }

  /** Throws `closed` where it is not running. */
  requireRunning(): void {
    if (!this.#isServing || this.#shutdown !== undefined) {
      throw new CmError("closed", "The manager was shut down, or never started.");
    }
  }

  /** Withdraws from the cluster and ends everything. Idempotent; never fails: what does goes to `onError`. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  async #start(): Promise<void> {
    try {
      this.#requireWanted();
      if (this.#ownsStore) {
        this.#releasers.push(() => this.store.close());
        await this.store.start();
        this.#requireWanted();
      }
      this.#releasers.push(() => this.router.close());
      await this.router.start();
      this.#requireWanted();
      this.#releasers.push(() => this.presence.close());
      this.#releasers.push(() => this.membership.shutdown());
      await this.membership.start();
      this.#requireWanted();
      this.#isServing = true;
    } catch (error) {
      await this.#unwind();
      // It can't begin anew: what a failed start leaves is like what a shutdown leaves.
      this.#shutdown ??= Promise.resolve();
      throw error;
    }
  }

  async #shutDown(): Promise<void> {
    if (this.#starting !== undefined && !this.#isServing) {
      // Redis may be long in coming: nobody who wants to stop has to wait for it. Closed
      // once more when the start is unwound, where a failure is heard.
      if (this.#ownsStore) this.store.close().catch(() => undefined);
      // The start's failure is for whoever asked for it.
      await this.#starting.catch(() => undefined);
    }
    await this.#unwind();
  }

  async #unwind(): Promise<void> {
    for (let release = this.#releasers.pop(); release !== undefined; release = this.#releasers.pop()) {
      try {
        await release();
      } catch (cause) {
        this.onError(toCmError(cause, "internal", "A part of the manager could not be closed."), { stage: "link" });
      }
    }
  }

  #requireWanted(): void {
    if (this.#shutdown !== undefined) throw new CmError("closed", "The manager was shut down while it was starting.");
  }
}
