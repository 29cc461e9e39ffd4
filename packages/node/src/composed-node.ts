import { createMembership, type Membership } from "@cm/membership";
import { createPresence, type Presence } from "@cm/presence";
import { CmError, isCmError, type Store, toCmError } from "@cm/protocol";
import { requireDurationMs, requireFields } from "@cm/protocol/options";
import { createRouter, type Router } from "@cm/router";
import { definedOnly } from "./defined-only.js";
import type { DrainOptions, Node } from "./node.js";
import { chooseStore } from "./node-store.js";
import { MEMBERSHIP_KINDS, PRESENCE_KINDS, ROUTER_KINDS } from "./option-type-checks.js";
import { type NodeOptions, type ResolvedNodeOptions, resolveNodeOptions } from "./options.js";
import { judgeReadiness, type NodePhase, type Readiness } from "./readiness.js";
import { markStoreInUse } from "./stores-in-use.js";
import { createUnregisteredMembership } from "./unregistered-membership.js";

/**
 * Default time without a sign of life after which a server is presumed dead, in milliseconds: half of the 10
 * s within which all servers should be notified that a server died.
 */
const DEAD_AFTER_MS = 5_000;

/** Default time over which a drain closes connections, in milliseconds. */
const DRAIN_MS = 10_000;

/** Time allowed for rewriting lost data, in milliseconds, after the heartbeat that detects the loss. */
const RESTORE_MARGIN_MS = 5_000;

/**
 * Creates the node of one process of a cluster. With `local`, the process is a server that holds connections;
 * without `local`, it is a worker that publishes, sends and reads. Nothing is connected or started until
 * `start`. Throws `options-invalid`, with the option's name in `details.field`.
 */
export function createNode(options: NodeOptions = {}): Node {
  return new ClusterNode(options);
}

class ClusterNode implements Node {
  readonly serverId: string;
  readonly store: Store;
  readonly router: Router;
  readonly membership: Membership;
  readonly presence: Presence;
  readonly expelled: Promise<CmError>;
  readonly #options: ResolvedNodeOptions;
  readonly #ownsStore: boolean;
  /** The functions that close the started parts, in the order in which the parts were started. */
  readonly #releasers: (() => Promise<void>)[] = [];
  #phase: NodePhase = "starting";
  /** Whether this server has taken its lease, after which the membership knows what the store lacks. */
  #isRegistered = false;
  /** Ends the start of the part that is being started, if that start may take long. */
  #interrupt: (() => Promise<void>) | undefined;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: NodeOptions) {
    const resolved = resolveNodeOptions(options);
    const { ids, local, onError } = resolved;
    const { store, isOwn } = chooseStore(options, onError);
    this.#options = resolved;
    this.#ownsStore = isOwn;
    this.serverId = ids.serverId;
    this.store = store;
    const router = createRouter({
      ...definedOnly(options, keysOf(ROUTER_KINDS)),
      serverId: ids.serverId,
      store,
      holdsLease: resolved.lease ? () => this.membership.holdsLease : undefined,
      local,
      onError,
    });
    this.router = router;
    let expel: (error: CmError) => void = () => undefined;
    this.expelled = new Promise((resolve) => {
      expel = resolve;
    });
    const onLeaseTaken = (error: CmError): void => {
      onError(error, { stage: "lease" });
      // Another process holds this server's id now, so this node can't continue.
      void this.close();
      expel(error);
      resolved.onExpelled(error);
    };
    // Created without a lease as well, because it checks its options.
    const membership = createMembership({
      // Detection by silence requires that servers listen to their own channels, which a node's
      // router does.
      deadAfterMs: DEAD_AFTER_MS,
      ...definedOnly(options, keysOf(MEMBERSHIP_KINDS)),
      ids,
      store,
      interest: router,
      onLeaseTaken,
      onServersLost: (serverIds) => {
        for (const serverId of serverIds) router.serverLost(serverId);
        // Returned, so that the membership reports an async function that rejects.
        return options.onServersLost?.(serverIds);
      },
      onError,
    });
    this.membership = resolved.lease ? membership : createUnregisteredMembership(ids.serverId);
    this.presence = createPresence({
      restoreWithinMs: Math.max(1_000, (options.heartbeatIntervalMs ?? 30_000) + RESTORE_MARGIN_MS),
      ...definedOnly(options, keysOf(PRESENCE_KINDS)),
      users: store.users,
      rooms: store.rooms,
      counts: store.counts,
      partitions: store.partitions,
      bus: store.bus,
      link: store.link,
      isComplete: resolved.lease
        ? () => (this.#isRegistered ? this.membership.checkLease() : Promise.resolve(true))
        : undefined,
      onError,
    });
  }

  get phase(): NodePhase {
    return this.#phase;
  }

  get isReady(): boolean {
    return this.readiness().ready;
  }

  readiness(): Readiness {
    const lease = this.membership.holdsLease ? "held" : "lost";
    return judgeReadiness({
      phase: this.#phase,
      lease: this.#options.lease ? lease : "none",
      fault: this.membership.fault,
      link: this.store.link.status(),
    });
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedMeanwhile());
    this.#starting ??= this.#start();
    return this.#starting;
  }

  drain(options: DrainOptions = {}): Promise<void> {
    if (this.#draining !== undefined) return this.#draining;
    if (this.#phase === "closing") return Promise.resolve();
    let overMs: number;
    try {
      overMs = requireDrainTime(options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#phase === "starting") {
      return Promise.reject(
        new CmError("unavailable", "node.drain() was called before start() had resolved; await start() first.", {
          details: { call: "node.drain" },
        }),
      );
    }
    this.#phase = "draining";
    this.#draining = this.#drain(overMs);
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #drain(overMs: number): Promise<void> {
    await Promise.all(this.#options.parts.map(async (part) => part.drain?.({ overMs })));
  }

  async #start(): Promise<void> {
    try {
      this.#requireWanted();
      if (!this.#ownsStore) this.#releasers.push(markStoreInUse(this.store));
      if (this.#ownsStore) {
        this.#releasers.push(() => this.store.close());
        // Redis may take long to connect.
        this.#interrupt = () => this.store.close();
        await this.store.start();
        this.#interrupt = undefined;
        this.#requireWanted();
      }
      this.#releasers.push(() => this.router.close());
      await this.router.start();
      this.#requireWanted();
      this.#releasers.push(() => this.presence.close());
      this.#releasers.push(() => this.membership.shutdown());
      // After a dead process with this server's id, the start waits for the cleanup.
      this.#interrupt = () => this.membership.shutdown();
      await this.membership.start();
      this.#isRegistered = this.#options.lease;
      this.#interrupt = undefined;
      this.#requireWanted();
      for (const part of this.#options.parts) {
        this.#releasers.push(() => part.close());
        await part.start();
        this.#requireWanted();
      }
      this.#phase = "serving";
    } catch (error) {
      const wasClosed = this.#closing !== undefined;
      this.#phase = "closing";
      await this.#unwind();
      // A node can't start again, so a failed start leaves it closed.
      this.#closing ??= Promise.resolve();
      // If `close` interrupted the start, report `closed` instead of the error of the step that failed
      // because of it.
      throw wasClosed ? closedMeanwhile(error) : error;
    }
  }

  async #close(): Promise<void> {
    const isServing = this.#phase === "serving" || this.#phase === "draining";
    this.#phase = "closing";
    if (this.#starting !== undefined && !isServing) {
      // When the start fails, it closes the part again and reports a failure, so a failure here can be ignored.
      this.#interrupt?.().catch(() => undefined);
      // `start` rejects with this error, so it is not reported here.
      await this.#starting.catch(() => undefined);
    }
    await this.#unwind();
  }

  async #unwind(): Promise<void> {
    // The parts may have been used before the start, for example presence on a started store, so close them even if
    // `start` was never called. If `start` was called, the list contains only the parts that it reached; each is
    // closed once, in reverse order.
    if (this.#starting === undefined) {
      this.#releasers.push(
        () => this.router.close(),
        () => this.presence.close(),
        () => this.membership.shutdown(),
      );
    }
    for (let release = this.#releasers.pop(); release !== undefined; release = this.#releasers.pop()) {
      try {
        await release();
      } catch (cause) {
        this.#options.onError(toCmError(cause, "internal", "A part of the node could not be closed."), {
          stage: "link",
        });
      }
    }
  }

  #requireWanted(): void {
    if (this.#closing !== undefined || this.#phase === "closing") throw closedMeanwhile();
  }
}

/** Returns the duration of a drain, in milliseconds. Throws `options-invalid`. */
function requireDrainTime(options: DrainOptions): number {
  const { overMs = DRAIN_MS } = requireFields("options", options, { overMs: true }, "{ overMs: 10_000 }");
  return requireDurationMs("overMs", overMs, 0, 3_600_000);
}

function closedMeanwhile(cause?: unknown): CmError {
  if (isCmError(cause) && cause.code === "closed") return cause;
  return new CmError("closed", "The node was closed.", { cause });
}

function keysOf<T extends object>(kinds: T): (keyof T & string)[] {
  // The tables are literals, so they have no keys other than those of their type.
  return Object.keys(kinds) as (keyof T & string)[];
}
