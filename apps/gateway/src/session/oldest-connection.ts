import type { ConnectionRegistry } from "@cm/protocol";

/** Maximum number of records that one search reads at a time. */
const READS_AT_ONCE = 16;

/** Maximum number of connections whose times are remembered, some megabytes. */
const REMEMBERED_MAX = 50_000;

/**
 * Finds the oldest of a user's connections. When a connection was opened never changes, so its record is read once,
 * also if many searches for the same user run at the same time.
 */
export class OldestConnectionSearch {
  readonly #connections: Pick<ConnectionRegistry, "get">;
  /** When connections were opened, the least recently read one first. `undefined` for a connection without a record. */
  readonly #connectedAt = new Map<string, Promise<number | undefined>>();

  constructor(connections: Pick<ConnectionRegistry, "get">) {
    this.#connections = connections;
  }

  /** Resolves with the id of the oldest of these connections that has a record; `undefined` if none has one. */
  async oldestOf(ids: readonly string[]): Promise<string | undefined> {
    const found: { readonly id: string; readonly connectedAt: number }[] = [];
    for (let first = 0; first < ids.length; first += READS_AT_ONCE) {
      await Promise.all(
        ids.slice(first, first + READS_AT_ONCE).map(async (id) => {
          const connectedAt = await this.#connectedAtOf(id);
          if (connectedAt !== undefined) found.push({ id, connectedAt });
        }),
      );
    }
    found.sort((a, b) => a.connectedAt - b.connectedAt || (a.id < b.id ? -1 : 1));
    for (const { id } of found) {
      // The record may have been removed since it was read.
      if ((await this.#connections.get(id)) !== undefined) return id;
      this.#connectedAt.delete(id);
    }
    return undefined;
  }

  #connectedAtOf(id: string): Promise<number | undefined> {
    const known = this.#connectedAt.get(id);
    if (known !== undefined) return known;
    if (this.#connectedAt.size >= REMEMBERED_MAX) {
      const [oldest = ""] = this.#connectedAt.keys();
      this.#connectedAt.delete(oldest);
    }
    const read = this.#connections.get(id).then((record) => record?.connectedAt);
    this.#connectedAt.set(id, read);
    const forget = (): void => void this.#connectedAt.delete(id);
    // Only remember the times of records. A failed read rejects for the caller.
    read.then((connectedAt) => connectedAt ?? forget(), forget);
    return read;
  }
}
