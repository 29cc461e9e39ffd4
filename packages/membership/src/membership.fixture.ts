import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { type CmError, createConnectionIdSource, type FailureStage, type RoomInterest, type Store } from "@cm/protocol";
import { afterEach, beforeEach } from "vitest";
import { createMembership } from "./leased-membership.js";
import type { Membership } from "./membership.js";
import type { MembershipOptions, MembershipStore } from "./options.js";

/** A `RoomInterest` that counts local members, and whose responses can be delayed or made to fail. */
export class CountedInterest implements RoomInterest {
  readonly members = new Map<string, number>();
  hold: Promise<void> = Promise.resolve();
  failure: Error | undefined;

  async enter(room: string): Promise<undefined> {
    this.members.set(room, (this.members.get(room) ?? 0) + 1);
    await this.hold;
    if (this.failure === undefined) return undefined;
    this.exit(room);
    throw this.failure;
  }

  exit(room: string): void {
    const left = (this.members.get(room) ?? 0) - 1;
    if (left === 0) this.members.delete(room);
    else this.members.set(room, left);
  }
}

/** A membership with its store and room interest, and everything it reported. */
export interface TestServer {
  readonly membership: Membership;
  readonly store: Store;
  readonly interest: CountedInterest;
  readonly errors: { error: CmError; stage: FailureStage }[];
  readonly stale: string[];
}

/** A proxy of a contract in which the test replaces some of the methods. */
export function overridden<T extends object>(contract: T, calls: Partial<T>): T {
  return new Proxy(contract, {
    get(target, name) {
      const call: unknown = Reflect.get(calls, name) ?? Reflect.get(target, name);
      return typeof call === "function" ? call.bind(target) : call;
    },
  });
}

/** The parts of a store that a membership needs, so that tests can replace some of them. */
export function contractsOf(store: Store): MembershipStore {
  const { servers, connections, rooms, users, partitions, upkeep, link } = store;
  return { servers, connections, rooms, users, partitions, upkeep, link };
}

/**
 * Servers on one memory store whose clock the test controls. They are created for each test and closed after
 * it.
 */
export function useTestServers() {
  const clock = { ms: 0 };
  let hub: ReturnType<typeof createMemoryHub>;
  const opened: TestServer[] = [];

  /** Creates a membership with its own store on the shared hub. Does not start the membership. */
  async function server(serverId: string, options: Partial<MembershipOptions> = {}): Promise<TestServer> {
    const store = createMemoryStore({ hub });
    await store.start();
    const interest = new CountedInterest();
    const errors: { error: CmError; stage: FailureStage }[] = [];
    const stale: string[] = [];
    const membership = createMembership({
      ids: createConnectionIdSource({ serverId }),
      store,
      interest,
      heartbeatIntervalMs: 100,
      leaseTtlMs: 1_000,
      offlineGraceMs: 0,
      onStale: (id) => stale.push(id),
      onError: (error, { stage }) => errors.push({ error, stage }),
      ...options,
    });
    const made = { membership, store, interest, errors, stale };
    opened.push(made);
    return made;
  }

  async function started(serverId: string, options: Partial<MembershipOptions> = {}): Promise<TestServer> {
    const made = await server(serverId, options);
    await made.membership.start();
    return made;
  }

  async function connect({ membership }: TestServer, userId: string): Promise<string> {
    const connectionId = membership.nextConnectionId();
    await membership.open({ connectionId, userId });
    return connectionId;
  }

  const membersOf = async ({ store }: TestServer, room: string) =>
    (await store.rooms.members(room, { limit: 1000 })).items.map(({ connectionId }) => connectionId);

  beforeEach(() => {
    clock.ms = 1_000_000;
    hub = createMemoryHub({ now: () => clock.ms });
  });

  afterEach(async () => {
    for (const { membership, store } of opened.splice(0)) {
      await membership.shutdown();
      await store.close();
    }
  });

  return { clock, server, started, connect, membersOf };
}
