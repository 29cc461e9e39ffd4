/** The local members of each room. Rooms without members have no entry. */
export class RoomMembers<C extends object> {
  readonly #members = new Map<string, Set<C>>();
  readonly #roomsOf = new Map<C, Set<string>>();

  #memberships = 0;

  /** Number of memberships: a connection counts once for each room that it is in. */
  get memberships(): number {
    return this.#memberships;
  }

  /** Number of rooms with a member. */
  get size(): number {
    return this.#members.size;
  }

  /** Number of members of a room. */
  count(room: string): number {
    return this.#members.get(room)?.size ?? 0;
  }

  enter(room: string, connection: C): void {
    if (add(this.#members, room, connection)) this.#memberships++;
    add(this.#roomsOf, connection, room);
  }

  leave(room: string, connection: C): void {
    if (remove(this.#members, room, connection)) this.#memberships--;
    remove(this.#roomsOf, connection, room);
  }

  leaveAll(connection: C): void {
    for (const room of this.#roomsOf.get(connection) ?? []) {
      if (remove(this.#members, room, connection)) this.#memberships--;
    }
    this.#roomsOf.delete(connection);
  }

  has(room: string, connection: C): boolean {
    return this.#members.get(room)?.has(connection) ?? false;
  }

  /** The rooms that a connection is in. */
  roomsOf(connection: C): Iterable<string> {
    return this.#roomsOf.get(connection) ?? [];
  }

  /** The room's members. A member that is removed during the iteration may or may not still be returned. */
  of(room: string): Iterable<C> {
    return this.#members.get(room) ?? [];
  }
}

/** Adds a value to a group. Returns `false` if the group had the value already. */
function add<K, V>(groups: Map<K, Set<V>>, key: K, value: V): boolean {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([value]));
  else if (group.has(value)) return false;
  else group.add(value);
  return true;
}

/** Removes a value from a group. Returns `false` if the group did not have the value. */
function remove<K, V>(groups: Map<K, Set<V>>, key: K, value: V): boolean {
  const group = groups.get(key);
  if (group === undefined || !group.delete(value)) return false;
  if (group.size === 0) groups.delete(key);
  return true;
}
