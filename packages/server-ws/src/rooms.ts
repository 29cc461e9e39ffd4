/** Which members a room has here. A room without members costs nothing. */
export class Rooms<C extends object> {
  readonly #members = new Map<string, Set<C>>();
  readonly #roomsOf = new Map<C, Set<string>>();

  /** Rooms with a member. */
  get size(): number {
    return this.#members.size;
  }

  enter(room: string, connection: C): void {
    add(this.#members, room, connection);
    add(this.#roomsOf, connection, room);
  }

  leave(room: string, connection: C): void {
    remove(this.#members, room, connection);
    remove(this.#roomsOf, connection, room);
  }

  leaveAll(connection: C): void {
    for (const room of this.#roomsOf.get(connection) ?? []) remove(this.#members, room, connection);
    this.#roomsOf.delete(connection);
  }

  /** The room's members. Whom the caller removes meanwhile may still be met, or not. */
  of(room: string): Iterable<C> {
    return this.#members.get(room) ?? [];
  }
}

function add<K, V>(groups: Map<K, Set<V>>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([value]));
  else group.add(value);
}

function remove<K, V>(groups: Map<K, Set<V>>, key: K, value: V): void {
  const group = groups.get(key);
  if (group?.delete(value) && group.size === 0) groups.delete(key);
}
