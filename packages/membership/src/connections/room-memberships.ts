import { CmError, type EnteredRoom, requireName } from "@cm/protocol";
import type { LeaseKeeper } from "../lease/lease-keeper.js";
import type { Projection } from "../projection/projection.js";
import type { OwnedConnection } from "./owned-connection.js";
import type { OwnedConnections } from "./owned-connections.js";
import type { PendingRemovals } from "./pending-removals.js";
import type { WriteGuard } from "./write-guard.js";

/** Options of {@link RoomMemberships}. */
export interface RoomMembershipsOptions {
  readonly local: OwnedConnections;
  readonly keeper: LeaseKeeper;
  readonly projection: Projection;
  readonly writeGuard: WriteGuard;
  readonly removals: PendingRemovals;
  /** Same as `MembershipOptions.maxMemberships`. */
  readonly maxMemberships: number;
  /** Same as `MembershipOptions.maxRooms`. */
  readonly maxRooms: number;
}

/** Lets connections join and leave rooms: updates the local state at once, then the store and the bus concurrently. */
export class RoomMemberships {
  readonly #options: RoomMembershipsOptions;

  constructor(options: RoomMembershipsOptions) {
    this.#options = options;
  }

  /**
   * See `Membership.join`. `record` is the initial value of the room's record, written together with the
   * member.
   */
  async join(connectionId: string, room: string, record: string | undefined): Promise<EnteredRoom | undefined> {
    requireName(room, "room");
    const { local, writeGuard } = this.#options;
    const connection = local.require(connectionId);
    const joining = connection.joining?.get(room);
    if (joining !== undefined) return joining;
    if (connection.rooms.has(room)) return local.rooms.enteredRoom(room);
    this.#requireCapacity(room);
    local.enter(connection, room);
    writeGuard.begin(connectionId);
    // `leave` drops the attempt, and the connection may then have begun to join the room once more.
    const isCurrent = (): boolean => connection.joining?.get(room) === attempt;
    const attempt = this.#join(connection, room, record, isCurrent);
    connection.joining ??= new Map();
    connection.joining.set(room, attempt);
    return attempt;
  }

  #requireCapacity(room: string): void {
    const { local, maxMemberships, maxRooms } = this.#options;
    const limit =
      maxMemberships > 0 && local.memberships >= maxMemberships
        ? "maxMemberships"
        : maxRooms > 0 && local.rooms.size >= maxRooms && !local.rooms.has(room)
          ? "maxRooms"
          : undefined;
    if (limit === undefined) return;
    const what = limit === "maxRooms" ? "rooms" : "members of rooms";
    throw new CmError("capacity-reached", `The server has reached its limit of ${what}.`, { details: { limit } });
  }

  /** Removes a connection from the local state. Returns the rooms that it was in. */
  forget(connection: OwnedConnection): string[] {
    const rooms = [...connection.rooms];
    this.#options.local.delete(connection);
    return rooms;
  }

  async #join(
    connection: OwnedConnection,
    room: string,
    record: string | undefined,
    isCurrent: () => boolean,
  ): Promise<EnteredRoom | undefined> {
    const { local, writeGuard, removals } = this.#options;
    const stays = (): boolean => connection.rooms.has(room) && isCurrent();
    try {
      // Subscribe and write concurrently, so that the join takes only one round trip.
      const entering = local.rooms.enter(room);
      try {
        await this.#write(connection, room, record);
      } finally {
        // Wait for both even if one fails. If both fail, the error of `enter` counts.
        if (entering !== undefined) await entering;
      }
      if (stays()) return local.rooms.enteredRoom(room);
      throw new CmError("not-found", "The connection left while it was joining.");
    } catch (error) {
      if (stays()) local.exit(connection, room);
      // The failed join may have written a part of its entries. If the connection left or closed during the join, the
      // join's write may also have arrived after that removal. So remove the member, even if it was removed before.
      await removals.run({ connection, rooms: [room] });
      throw error;
    } finally {
      writeGuard.end(connection.connectionId);
      if (isCurrent()) endJoining(connection, room);
    }
  }

  /** Writes a new member to the store, after any repair of the connection and any removal from the same room. */
  #write(connection: OwnedConnection, room: string, record: string | undefined): Promise<void> {
    const { writeGuard, removals, keeper, projection } = this.#options;
    const write = (): Promise<void> => keeper.write((lease) => projection.join(lease, connection, room, record));
    const repair = writeGuard.repairOf(connection.connectionId);
    const removal = removals.ofRoom(connection, room);
    return repair === undefined && removal === undefined ? write() : Promise.all([repair, removal]).then(write);
  }

  /** See `Membership.isMember`. */
  isMember(connectionId: string, room: string): boolean {
    const connection = this.#options.local.get(connectionId);
    return connection?.rooms.has(room) === true && connection.joining?.has(room) !== true;
  }

  /** See `Membership.leave`. */
  async leave(connectionId: string, room: string): Promise<void> {
    const { local, removals } = this.#options;
    const connection = local.get(connectionId);
    if (connection === undefined || !connection.rooms.has(room)) return;
    // First, because leaving may call the application, which may join again.
    endJoining(connection, room);
    local.exit(connection, room);
    await removals.run({ connection, rooms: [room] });
  }
}

/** Forgets a join that was acknowledged, has failed or no longer counts. */
function endJoining(connection: OwnedConnection, room: string): void {
  connection.joining?.delete(room);
  if (connection.joining?.size === 0) connection.joining = undefined;
}
