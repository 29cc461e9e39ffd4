import { createMemoryHub, createMemoryStore, type MemoryHub } from "@cm/memory-store";
import type { CmError, FailureStage, Store } from "@cm/protocol";
import { expect, onTestFinished, vi } from "vitest";
import type { DistributedConnectionManager } from "./distributed-connection-manager.js";
import type { DistributedConnectionManagerOptions } from "./distributed-options.js";
import { LocalSockets, Socket } from "./local-sockets.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

/** A running manager with sockets that have no network. */
export interface TestManager {
  readonly manager: DistributedConnectionManager<Socket>;
  readonly local: LocalSockets;
  readonly store: Store;
  readonly errors: { readonly error: CmError; readonly stage: FailureStage }[];
  /** Registers a socket and joins it to the rooms. */
  connect(userId: string, ...rooms: readonly string[]): Promise<{ readonly id: string; readonly socket: Socket }>;
}

/** Servers whose stores share one hub, with an adjustable clock. */
export class TestCluster {
  readonly hub: MemoryHub;
  aheadMs = 0;

  constructor() {
    this.hub = createMemoryHub({ now: () => Date.now() + this.aheadMs });
  }

  async store(): Promise<Store> {
    const store = createMemoryStore({ hub: this.hub });
    onTestFinished(() => store.close());
    await store.start();
    return store;
  }

  async start(
    serverId: string,
    options: DistributedConnectionManagerOptions<Socket> = {},
    local = new LocalSockets(),
  ): Promise<TestManager> {
    const store = await this.store();
    const errors: TestManager["errors"] = [];
    const manager = await createDistributedConnectionManager(local, {
      store,
      serverId,
      onError: (error, { stage }) => errors.push({ error, stage }),
      ...options,
    });
    onTestFinished(() => manager.shutdown());
    return {
      manager,
      local,
      store,
      errors,
      async connect(userId, ...rooms) {
        const socket = new Socket();
        const id = await manager.registerConnection(socket, userId);
        for (const room of rooms) await manager.joinRoom(id, room);
        return { id, socket };
      },
    };
  }
}

/** Checks that the store contains nothing but the living servers. */
export async function expectEmpty({ store, local }: TestManager): Promise<void> {
  await expect
    .poll(async () => [await store.counts.of("connections"), await store.counts.of("rooms"), local.size])
    .toEqual([0, 0, 0]);
}

/**
 * Adds a member to the lobby and waits until it receives departures. Returns the member with a function that lists
 * the departures that it has received.
 */
export async function witness(server: TestManager) {
  const { id, socket } = await server.connect("witness", "lobby");
  // The join starts watching in the background.
  await vi.waitFor(async () => {
    const probe = await server.connect("probe", "lobby");
    await server.manager.removeConnection(probe.id);
    await vi.waitFor(() => expect(socket.texts).not.toEqual([]), { timeout: 200 });
  });
  const departures = () =>
    // Every message in these tests is an object or a string.
    socket.messages.filter((message) => (message as { readonly userId?: string }).userId !== "probe");
  return { id, socket, departures };
}
