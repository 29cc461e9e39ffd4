/**
 * The local connections of each user. Most users have one connection, which is stored without a Set, because a
 * Set per user would take more memory than the rest of the index.
 */
export class UserIndex<C extends object> {
  readonly #byUser = new Map<string, C | Set<C>>();

  /** Number of users with a connection. */
  get size(): number {
    return this.#byUser.size;
  }

  /** Adds a connection of a user. */
  add(userId: string, connection: C): void {
    const present = this.#byUser.get(userId);
    if (present === undefined) this.#byUser.set(userId, connection);
    else if (present instanceof Set) present.add(connection);
    else this.#byUser.set(userId, new Set([present, connection]));
  }

  /** Removes a connection of a user, if it is there. */
  remove(userId: string, connection: C): void {
    const present = this.#byUser.get(userId);
    if (present === connection) this.#byUser.delete(userId);
    else if (present instanceof Set && present.delete(connection) && present.size === 0) this.#byUser.delete(userId);
  }

  /** Number of connections of a user. */
  countOf(userId: string): number {
    const present = this.#byUser.get(userId);
    if (present === undefined) return 0;
    return present instanceof Set ? present.size : 1;
  }

  /** A copy of the list of the user's connections. */
  of(userId: string): C[] {
    const present = this.#byUser.get(userId);
    if (present === undefined) return [];
    return present instanceof Set ? [...present] : [present];
  }

  /**
   * Calls `call` with each connection of the user, and returns how often it returned `true`. `call` may remove
   * connections from the index.
   */
  count(userId: string, call: (connection: C) => boolean): number {
    const present = this.#byUser.get(userId);
    if (present === undefined) return 0;
    if (!(present instanceof Set)) return call(present) ? 1 : 0;
    let count = 0;
    for (const connection of present) if (call(connection)) count += 1;
    return count;
  }
}
