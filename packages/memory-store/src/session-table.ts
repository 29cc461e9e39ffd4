import { CmError, GAME_TRANSITIONS, type GameState, type Lease, type SessionRecord } from "@cm/protocol";
import type { ServerTable } from "./server-table.js";

interface Session {
  record: SessionRecord;
  expiresAtMs: number;
}

/**
 * The records of games. The table of rooms makes and drops them, so there are never more
 * than rooms, and one that ran out needs no cleaning up: it goes with its room.
 */
export class SessionTable {
  readonly #servers: ServerTable;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();

  constructor(servers: ServerTable, now: () => number) {
    this.#servers = servers;
    this.#now = now;
  }

  /** How many games have a session. */
  get size(): number {
    const now = this.#now();
    let living = 0;
    for (const { expiresAtMs } of this.#sessions.values()) if (expiresAtMs > now) living++;
    return living;
  }

  /** Makes a session, or counts as activity where there is one. */
  open(gameId: string, serverInstance: string, ttlMs: number): void {
    if (this.touch(gameId, ttlMs)) return;
    const now = Math.floor(this.#now());
    this.#write({ id: gameId, state: "waiting", createdAt: now, lastActivity: now, serverInstance }, ttlMs);
  }

  drop(gameId: string): void {
    this.#sessions.delete(gameId);
  }

  get(gameId: string): SessionRecord | undefined {
    const session = this.#sessions.get(gameId);
    return session !== undefined && session.expiresAtMs > this.#now() ? session.record : undefined;
  }

  transition(gameId: string, to: GameState, ttlMs: number): SessionRecord {
    const record = this.get(gameId);
    if (record === undefined) throw new CmError("not-found", `The game ${gameId} has no session.`);
    const { state: from } = record;
    if (!GAME_TRANSITIONS[from].includes(to)) {
      throw new CmError("transition-invalid", `A game that is ${from} can't become ${to}.`, { details: { from, to } });
    }
    return this.#write({ ...record, state: to, lastActivity: Math.floor(this.#now()) }, ttlMs);
  }

  touch(gameId: string, ttlMs: number): boolean {
    const record = this.get(gameId);
    if (record !== undefined) this.#write({ ...record, lastActivity: Math.floor(this.#now()) }, ttlMs);
    return record !== undefined;
  }

  /** Writes those that are missing and whose rooms have members. */
  restore(lease: Lease, records: readonly SessionRecord[], ttlMs: number, hasMembers: (room: string) => boolean): void {
    this.#servers.holder(lease);
    for (const { id, state, createdAt, lastActivity, serverInstance } of records) {
      if (this.get(id) !== undefined || !hasMembers(id)) continue;
      this.#write({ id, state, createdAt, lastActivity, serverInstance }, ttlMs);
    }
  }

  #write(record: SessionRecord, ttlMs: number): SessionRecord {
    this.#sessions.set(record.id, { record: Object.freeze(record), expiresAtMs: this.#now() + ttlMs });
    return record;
  }
}
