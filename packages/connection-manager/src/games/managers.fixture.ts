import type { StoreHarness } from "@cm/contract-tests/store";
import type { CmError, FailureStage, GameEvent, Store } from "@cm/protocol";
import type { ConnectionManager } from "./connection-manager.js";
import { createConnectionManager } from "./game-connection-manager.js";
import type { ConnectionManagerOptions } from "./game-options.js";

/** A manager with its store and the errors that it reported. */
export interface TestManager {
  readonly manager: ConnectionManager;
  readonly store: Store;
  readonly errors: { readonly error: CmError; readonly stage: FailureStage }[];
}

/** Managers on one store. All of them are closed with the harness. */
export class TestManagers {
  readonly #harness: StoreHarness;
  readonly #started: TestManager[] = [];

  constructor(harness: StoreHarness) {
    this.#harness = harness;
  }

  get harness(): StoreHarness {
    return this.#harness;
  }

  async start(serverInstance: string, options: ConnectionManagerOptions = {}): Promise<TestManager> {
    const store = await this.#harness.peer();
    const errors: TestManager["errors"] = [];
    const manager = await createConnectionManager({
      store,
      serverInstance,
      heartbeatInterval: 500,
      heartbeatTTL: 20,
      offlineGraceMs: 0,
      onError: (error, { stage }) => errors.push({ error, stage }),
      ...options,
    });
    const started = { manager, store, errors };
    this.#started.push(started);
    return started;
  }

  /** Ends a manager as a crash does: nothing is withdrawn, and its lease remains until it expires. */
  async kill({ manager, store }: TestManager): Promise<void> {
    await store.close();
    await manager.shutdown();
  }

  async close(): Promise<void> {
    for (const { manager } of this.#started) await manager.shutdown();
    await this.#harness.close();
  }
}

/** Defines a test of games with its own managers, which are closed even if the test fails. */
export type DefineGameTest = (
  sentence: string,
  body: (managers: TestManagers) => Promise<void>,
  roomRecordTtlMs?: number,
) => void;

/** Collects a game's events, and lists them in short form. */
export class EventRecorder {
  readonly events: GameEvent[] = [];
  readonly handler = (event: GameEvent): void => {
    this.events.push(event);
  };

  /** The events in short form, such as `player-joined ann`. */
  get told(): string[] {
    return this.events.map(({ type, userId }) => (userId === undefined ? type : `${type} ${userId}`));
  }
}

export function gameEvent(type: string, data?: unknown): GameEvent {
  return { type, timestamp: Date.now(), ...(data === undefined ? {} : { data }) };
}
