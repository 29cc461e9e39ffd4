import { ownerOf, type RoomMember, type UserState } from "@cm/protocol";
import { metadataOf, sameJson } from "../metadata-json.js";

/** A connection in a room. */
export interface RosterMember {
  /** The member's connection. */
  readonly connectionId: string;
  /** The user that the connection belongs to. */
  readonly userId: string;
  /** The server that holds the connection. */
  readonly serverId: string;
  /** The connection's metadata, a JSON value; `undefined` if there is none. */
  readonly metadata: unknown;
}

export function rosterMember(connectionId: string, userId: string, metadata: unknown): RosterMember {
  return { connectionId, userId, serverId: ownerOf(connectionId) ?? "", metadata };
}

/** Returns the members with the metadata from their users' states. */
export function withMetadata(members: readonly RoomMember[], states: readonly UserState[]): RosterMember[] {
  const texts = new Map<string, string | undefined>();
  for (const { connections } of states) {
    for (const { connectionId, metadata } of connections) texts.set(connectionId, metadata);
  }
  return members.map(({ connectionId, userId }) =>
    rosterMember(connectionId, userId, metadataOf(texts.get(connectionId))),
  );
}

/** Whether two rosters, indexed by connection id, are equal. */
export function isSameRoster(a: ReadonlyMap<string, RosterMember>, b: ReadonlyMap<string, RosterMember>): boolean {
  if (a.size !== b.size) return false;
  for (const [connectionId, member] of a) {
    const other = b.get(connectionId);
    if (other === undefined || other.userId !== member.userId || !sameJson(other.metadata, member.metadata)) {
      return false;
    }
  }
  return true;
}
