import {
  CmError,
  GAME_STATES,
  GAME_TRANSITIONS,
  type GameState,
  type Lease,
  type SessionDirectory,
  type SessionRecord,
} from "@cm/protocol";
import { groupBy, inChunks } from "../client/batches.js";
import { allOf, type Commands } from "../client/commands.js";
import type { Keys } from "../keys/keys.js";
import { allWritten } from "../servers/lease-fence.js";
import { sessionCount, sessionRestore, sessionTouch, sessionTransition } from "./session-scripts.js";

/** What the directory needs. */
export interface RedisSessionDirectoryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly sessionTtlMs: number;
}

const FIELDS = ["state", "createdAt", "lastActivity", "serverInstance"] as const;

/** Sessions as hashes beside their room's members, and an index of them in each partition. */
export class RedisSessionDirectory implements SessionDirectory {
  readonly #parts: RedisSessionDirectoryParts;

  constructor(parts: RedisSessionDirectoryParts) {
    this.#parts = parts;
  }

  async get(gameId: string): Promise<SessionRecord | undefined> {
    const { commands, keys } = this.#parts;
    const reply = await commands.send("hmget", [keys.roomKeys(gameId).session, ...FIELDS]);
    if (!Array.isArray(reply)) return undefined;
    const [stateText, createdAt, lastActivity, serverInstance] = reply;
    const state = GAME_STATES.find((each) => each === stateText);
    if (state === undefined) return undefined;
    return {
      id: gameId,
      state,
      createdAt: Number(createdAt),
      lastActivity: Number(lastActivity),
      serverInstance: String(serverInstance),
    };
  }

  async transition(gameId: string, to: GameState): Promise<SessionRecord> {
    const { commands, keys, sessionTtlMs: ttlMs } = this.#parts;
    const from = GAME_STATES.filter((state) => GAME_TRANSITIONS[state].includes(to));
    const moved = await commands.run(sessionTransition, { ...keys.roomKeys(gameId), to, from, ttlMs });
    if (moved.outcome === "moved") return { id: gameId, state: to, ...moved.record };
    if (moved.outcome === "missing") throw new CmError("not-found", `The game ${gameId} has no session.`);
    throw new CmError("transition-invalid", `A game that is ${moved.from} can't become ${to}.`, {
      details: { from: moved.from, to },
    });
  }

  async touch(gameId: string): Promise<boolean> {
    const { commands, keys, sessionTtlMs: ttlMs } = this.#parts;
    return commands.run(sessionTouch, { ...keys.roomKeys(gameId), ttlMs });
  }

  async restore(lease: Lease, records: readonly SessionRecord[]): Promise<void> {
    const { commands, keys, sessionTtlMs: ttlMs } = this.#parts;
    const games = records.map((record) => ({ ...record, ...keys.roomKeys(record.id) }));
    const calls = [...groupBy(games, ({ sessions }) => sessions)].flatMap(([sessions, group]) =>
      inChunks(group).map((chunk) =>
        commands.run(sessionRestore, { fenceMs: lease.expiresAtMs, sessions, ttlMs, games: chunk }),
      ),
    );
    await allWritten(calls, lease);
  }

  async count(): Promise<number> {
    const { commands, keys } = this.#parts;
    const counts = await allOf(keys.sessionIndexes().map((sessions) => commands.run(sessionCount, { sessions })));
    return counts.reduce((sum, count) => sum + count, 0);
  }
}
