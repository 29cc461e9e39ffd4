/** The local members of each room. Rooms without members have no entry. */
export class RoomMembers<M extends object> {
  readonly #members = new Map<string, Set<M>>();
  readonly #roomsOf = new Map<M, Set<string>>();

  #memberships = 0;

  /** Number of memberships: a connection counts once for each room that it is in. */
  get memberships(): number {
    return this.#memberships;
  }

  /** Number of rooms with members. */
  get roomCount(): number {
    return this.#members.size;
  }

  /** Number of members of a room. */
  count(room: string): number {
    return this.#members.get(room)?.size ?? 0;
  }

  enter(member: M, room: string): void {
    if (add(this.#members, room, member)) this.#memberships++;
    add(this.#roomsOf, member, room);
  }

  leave(member: M, room: string): void {
    if (remove(this.#members, room, member)) this.#memberships--;
    remove(this.#roomsOf, member, room);
  }

  leaveAll(member: M): void {
    for (const room of this.#roomsOf.get(member) ?? []) {
      if (remove(this.#members, room, member)) this.#memberships--;
    }
    this.#roomsOf.delete(member);
  }

  has(member: M, room: string): boolean {
    return this.#members.get(room)?.has(member) ?? false;
  }

  /** The rooms that a connection is in. */
  roomsOf(member: M): Iterable<string> {
    return this.#roomsOf.get(member) ?? [];
  }

  /** The room's members. A member that is removed during the iteration may or may not still be returned. */
  of(room: string): Iterable<M> {
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
