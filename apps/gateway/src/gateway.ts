import type { Node } from "@cm/node";
import { CmError, type OnError, toCmError } from "@cm/protocol";
import { createFaultCounter, type ListeningAddress, type TransportServer } from "@cm/transport";
import { createAdminListener } from "./admin/admin-listener.js";
import { RecordedMetrics } from "./admin/recorded-metrics.js";
import type { Revocation } from "./auth/revocation-list.js";
import { type RevocationOutcome, Revocations } from "./auth/revocations.js";
import { createControlHandler } from "./control-handler.js";
import { createGapHandler } from "./gap-notices.js";
import { createGatewayNode } from "./gateway-node.js";
import type { GatewayOptions, ResolvedGatewayOptions } from "./gateway-options.js";
import { createQuestionHandler, readRevocation } from "./gateway-questions.js";
import { gatewayRoutes } from "./http/gateway-routes.js";
import type { HttpListener } from "./http/http-listener.js";
import { AudienceCharges } from "./limits/audience-charges.js";
import { FanOutBudget } from "./limits/fan-out-budget.js";
import { LimitCounter } from "./limits/limit-counter.js";
import { limitsReached } from "./limits/limits-reached.js";
import { createFailureLog, type FailureLog } from "./log/failure-log.js";
import { logLink } from "./log/link-log.js";
import { resolveGatewayOptions } from "./options-resolution.js";
import { ApplicationCalls } from "./session/application-calls.js";
import { ClientDelivery } from "./session/messages/client-delivery.js";
import type { SessionHolder } from "./session/session-handler.js";
import { createClientTransport } from "./transport/client-transport.js";

/** A gateway embedded in an application. */
export interface Gateway {
  /** The gateway's store, router, membership and presence, for use by the application. */
  readonly node: Node;
  /**
   * Resolves when this server has lost its place in the cluster: its lease expired and another process took its
   * id. The gateway then closes by itself.
   */
  readonly expelled: Promise<CmError>;
  /**
   * Resolves when another server has requested a drain. The drain has already begun at that time; await
   * `drain`, then call `close`.
   */
  readonly drainAsked: Promise<void>;
  /**
   * Starts all parts and listens; further calls return the same promise. If the start fails, it stops all parts
   * that it has started, and rejects with `port-in-use`, `server-id-taken`, `layout-mismatch`, `unavailable` or
   * `native-load-failed`, or with `closed` if `close` was called before the start was complete. After that the
   * gateway can't be started again.
   */
  start(): Promise<ListeningAddress>;
  /**
   * Makes the gateway not ready: it refuses new connections and closes the open ones with `going-away`, spread
   * over `drainMs`; each client is served until its connection is closed. Resolves once all of them have been
   * closed; call `close` afterwards. Idempotent. Rejects with `unavailable` if the gateway does not serve yet.
   */
  drain(): Promise<void>;
  /**
   * Revokes all tokens issued to a user so far, or a single token: closes the connections made with them on
   * every gateway of the cluster, and refuses the revoked tokens for a day. A gateway that starts later does
   * not know of the revocation. Rejects with `unavailable` or `timeout` if the other gateways can't be reached;
   * the revocation is then in force on this gateway only. Rejects with `options-invalid`, and closes nothing, if
   * neither a user nor a token is given.
   */
  revoke(revocation: Revocation): Promise<RevocationOutcome>;
  /** Stops accepting connections, closes all connections and withdraws from the store. Idempotent; never rejects. */
  close(): Promise<void>;
  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Creates a gateway. Nothing happens before `start`. Throws `options-invalid` if an option is invalid. */
export function createGateway(options: GatewayOptions): Gateway {
  return new ComposedGateway(resolveGatewayOptions(options));
}

class ComposedGateway implements Gateway {
  readonly node: Node;
  readonly drainAsked: Promise<void>;
  readonly #config: ResolvedGatewayOptions;
  readonly #failures: FailureLog;
  readonly #onError: OnError;
  readonly #limits = new LimitCounter();
  readonly #refused = createFaultCounter();
  readonly #recorded = new RecordedMetrics();
  readonly #revocations: Revocations;
  readonly #delivery: ClientDelivery;
  readonly #routes: ReturnType<typeof gatewayRoutes>;
  /**
   * The node needs the server to deliver to its sockets, and the server needs the node. Therefore the server is
   * created after the node, whose functions read this field when they are called.
   */
  readonly #server: TransportServer<SessionHolder>;
  readonly #admin: HttpListener | undefined;
  #resolveDrainAsked: () => void = () => undefined;
  #address: ListeningAddress | undefined;
  #endLinkLog: () => void = () => undefined;
  #starting: Promise<ListeningAddress> | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedGatewayOptions) {
    const { clock, logger } = config;
    const failures = createFailureLog(logger);
    const recorded = this.#recorded;
    const revocations = new Revocations(() => clock.now());
    const monotonicMs = (): number => clock.monotonicMs();
    const fanOut = new FanOutBudget({
      perSecond: config.maxFanoutPerSecond,
      serverPercent: config.maxFanoutPercent,
      limits: this.#limits,
      monotonicMs,
    });
    const server = () => this.#server;
    this.#config = config;
    this.#failures = failures;
    this.#onError = (error, { stage }) => failures.report(error, stage);
    this.#revocations = revocations;
    this.drainAsked = new Promise((resolve) => {
      this.#resolveDrainAsked = resolve;
    });
    this.#delivery = new ClientDelivery({ server, fanOut, recorded });
    this.node = this.#createNode();
    this.#routes = this.#createRoutes();
    const charges = new AudienceCharges({ server, store: this.node.store, fanOut, monotonicMs });
    const counters = { reached: this.#limits, refused: this.#refused };
    const parts = { failures, recorded, revocations, fanOut, charges, ...counters };
    this.#server = createClientTransport(config, this.node, this.#routes.table, parts);
    this.#admin = createAdminListener(config, this.node, {
      statistics: () => this.#statistics(),
      transport: () => this.#server.stats(),
      limits: () => limitsReached(this.#limits.counts(), this.#server.stats()),
      requestsRefused: () => this.#refused.counts(),
      recorded,
      revoke: (revocation) => this.revoke(revocation),
      onError: this.#onError,
    });
  }

  get expelled(): Promise<CmError> {
    return this.node.expelled;
  }

  start(): Promise<ListeningAddress> {
    if (this.#closing !== undefined) return Promise.reject(new CmError("closed", "The gateway was closed."));
    this.#starting ??= this.#start();
    return this.#starting;
  }

  drain(): Promise<void> {
    return this.node.drain({ overMs: this.#config.drainMs });
  }

  async revoke(given: Revocation): Promise<RevocationOutcome> {
    // Without a user or a token it would concern every connection whose token has no id.
    const revocation = readRevocation(given);
    if (revocation === undefined) {
      throw new CmError("options-invalid", "revocation must be an object with the name userId or the text tokenId.", {
        details: { field: "revocation" },
      });
    }
    return this.#revocations.applyEverywhere(revocation, this.node.router);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #createNode(): Node {
    const connection = (id: string) => this.#server.connection(id);
    return createGatewayNode(this.#config, {
      local: this.#delivery,
      parts: [
        {
          start: async () => {
            await this.#routes.load();
            this.#address = await this.#server.start();
          },
          drain: async ({ overMs = this.#config.drainMs }) => this.#server.drain({ overMs }),
          close: async () => this.#server.close(),
        },
      ],
      onControl: createControlHandler(connection, () => this.#beginDrain()),
      onQuestion: createQuestionHandler({
        statistics: () => this.#statistics(),
        revoke: (revocation) => this.#revocations.applyHere(revocation),
      }),
      onGap: createGapHandler((room, missed) => this.#server.notifyGap(room, missed), this.#onError),
      lastSeenOf: (id) => connection(id)?.lastSeenAt,
      onStale: (id) => connection(id)?.close("stale"),
      onError: this.#onError,
    });
  }

  #createRoutes(): ReturnType<typeof gatewayRoutes> {
    const { page, publicStats, routes, hookTimeoutMs, maxPendingHooks } = this.#config;
    return gatewayRoutes({
      node: this.node,
      statistics: () => this.#statistics(),
      hasPage: page,
      hasStats: publicStats,
      more: routes,
      // Separate from the hooks' calls, so that slow routes do not use up the limit of the hooks.
      calls: new ApplicationCalls(
        "route",
        { timeoutMs: hookTimeoutMs, maxPending: maxPendingHooks, reached: this.#limits },
        (error) => this.#failures.report(error, "request"),
      ),
    });
  }

  #statistics() {
    const { serverId, phase, membership, router, store } = this.node;
    const { logger, maxMemberships, maxServerRooms: maxRooms } = this.#config;
    const { memberships, rooms } = membership.stats();
    return {
      serverId,
      phase,
      ...membership.stats(),
      ...router.stats(),
      link: store.link.status(),
      transport: this.#server.stats(),
      // The numbers of memberships and rooms of this server, with their limits.
      capacity: { memberships, maxMemberships, rooms, maxRooms },
      limits: this.#limits.counts(),
      ...(logger.droppedLines === undefined ? {} : { log: { droppedLines: logger.droppedLines() } }),
    };
  }

  /** Begins the drain that another server has requested. */
  #beginDrain(): void {
    if (this.node.phase === "starting") throw new CmError("unavailable", "The gateway is still starting.");
    this.drain().catch((cause: unknown) =>
      this.#onError(toCmError(cause, "internal", "Draining failed."), { stage: "handler" }),
    );
    this.#resolveDrainAsked();
  }

  async #start(): Promise<ListeningAddress> {
    const { logger } = this.#config;
    this.#endLinkLog = logLink(this.node.store.link, logger);
    try {
      // Start the operators' port first, so that it reports the gateway as alive but not ready while the store
      // is not available yet.
      const adminAddress = await this.#admin?.start();
      if (adminAddress !== undefined) {
        const { host, port } = adminAddress;
        logger.info({ adminHost: host, adminPort: port }, "the admin port is listening");
      }
      await this.node.start();
      if (this.#address === undefined) {
        throw new CmError("internal", "The server started without a listening address.");
      }
      return this.#address;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.node.close();
    this.#delivery.close();
    await this.#admin?.close();
    this.#endLinkLog();
    this.#failures.flush();
  }
}
