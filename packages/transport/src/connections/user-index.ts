/**
 * Which connections a user has here. Most users have one, and a Set for each of them
 * would cost more than all the rest, so a single connection stands there as it is.
 */
export class UserIndex<C extends object> {
  readonly #byUser = new Map<string, C | Set<C>>();

  /** Users with a connection. */
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

  /** Removes it. Does nothing where it is not there. */
  remove(userId: string, connection: C): void {
    const present = this.#byUser.get(userId);
    if (present === connection) this.#byUser.delete(userId);
    else if (present instanceof Set && present.delete(connection) && present.size === 0) this.#byUser.delete(userId);
  }

  /** How many connections a user has. */
  countOf(userId: string): number {
    const present = this.#byUser.get(userId);
    if (present === undefined) return 0;
    return present instanceof Set ? present.size : 1;
  }

  /** The user's connections, as of now. */
  of(userId: string): C[] {
    const present = this.#byUser.get(userId);
    if (present === undefined) return [];
    return present instanceof Set ? [...present] : [present];
  }

  /** How many of the user's connections the call says true of. It may remove any of them meanwhile. */
  count(userId: string, call: (connection: C) => boolean): number {
    const present = this.#byUser.get(userId);
    if (present === undefined) return 0;
    if (!(present instanceof Set)) return call(present) ? 1 : 0;
    let count = 0;
    for (const connection of present) if (call(connection)) count += 1;
    return count;
  }
}
