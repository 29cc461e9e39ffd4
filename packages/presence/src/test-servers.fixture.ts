import type { StoreHarness } from "@cm/contract-tests/store";
import { createMembership, type Membership, type MembershipOptions } from "@cm/membership";
import { type CmError, createConnectionIdSource, type FailureStage, type Store } from "@cm/protocol";
import { createPresence, type Presence, type PresenceOptions } from "./index.js";

/** A server with a membership for connections and a presence for reads. */
export interface TestServer {
  readonly store: Store;
  readonly membership: Membership;
  readonly presence: Presence;
  /** The errors that presence reported. */
  readonly errors: { readonly error: CmError; readonly stage: FailureStage }[];
  /** Opens a connection and resolves with its id. */
  connect(userId: string, metadata?: unknown): Promise<string>;
}

/** Options that replace the defaults of the tests. */
export interface TestServerOptions {
  readonly membership?: Partial<MembershipOptions>;
  readonly presence?: Partial<PresenceOptions>;
}

/** Servers on one store. All of these servers are closed with the harness. */
export class TestServers {
  readonly #harness: StoreHarness;
  readonly #servers: TestServer[] = [];

  constructor(harness: StoreHarness) {
    this.#harness = harness;
  }

  async start(serverId: string, options: TestServerOptions = {}): Promise<TestServer> {
    const store = await this.#harness.peer();
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId }),
      store,
      interest: { enter: async () => undefined, exit: () => undefined },
      heartbeatIntervalMs: 500,
      leaseTtlMs: 20_000,
      offlineGraceMs: 0,
      ...options.membership,
    });
    const errors: { readonly error: CmError; readonly stage: FailureStage }[] = [];
    const presence = createPresence({
      users: store.users,
      rooms: store.rooms,
      counts: store.counts,
      partitions: store.partitions,
      bus: store.bus,
      onError: (error, { stage }) => errors.push({ error, stage }),
      ...options.presence,
    });
    const server: TestServer = {
      store,
      membership,
      presence,
      errors,
      async connect(userId, metadata) {
        const connectionId = membership.nextConnectionId();
        await membership.open({ connectionId, userId, metadata });
        return connectionId;
      },
    };
    this.#servers.push(server);
    await membership.start();
    return server;
  }

  async close(): Promise<void> {
    for (const { presence, membership } of this.#servers) {
      await presence.close();
      await membership.shutdown();
    }
    await this.#harness.close();
  }
}
