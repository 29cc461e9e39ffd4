import type { PresenceChange, RosterChange } from "@cm/protocol";
import type { PresenceWatcher, RoomWatcher, RosterMember, UserPresence } from "./index.js";

/** The metadata of a user's or a room's connections, by connection id. */
export type Connections = Record<string, unknown>;

/** Records the calls to a watcher of users, and the state that follows from them. */
export class UserRecorder implements PresenceWatcher {
  readonly snapshots: (readonly UserPresence[])[] = [];
  readonly changes: PresenceChange[] = [];
  /** The users' presences as passed to the watcher. */
  readonly presences = new Map<string, UserPresence>();
  /** The connections of users who have any, derived from snapshots and changes only. */
  readonly derived = new Map<string, Connections>();
  endedWith: string | undefined;

  snapshot(presences: readonly UserPresence[]): void {
    this.snapshots.push(presences);
    for (const presence of presences) {
      this.presences.set(presence.userId, presence);
      this.#derive(
        presence.userId,
        Object.fromEntries(presence.connections.map(({ connectionId, metadata }) => [connectionId, metadata])),
      );
    }
  }

  change(change: PresenceChange, presence: UserPresence): void {
    this.changes.push(change);
    this.presences.set(change.userId, presence);
    const { kind, connectionId } = change;
    const connections = { ...this.derived.get(change.userId) };
    if (connectionId !== undefined) {
      if (kind === "closed" || kind === "offline") delete connections[connectionId];
      else connections[connectionId] = change.metadata;
    }
    this.#derive(change.userId, kind === "offline" ? {} : connections);
  }

  ended({ code }: { readonly code: string }): void {
    this.endedWith = code;
  }

  get kinds(): string[] {
    return this.changes.map(({ kind }) => kind);
  }

  #derive(userId: string, connections: Connections): void {
    if (Object.keys(connections).length === 0) this.derived.delete(userId);
    else this.derived.set(userId, connections);
  }
}

/** Records the calls to a watcher of a room, and the state that follows from them. */
export class RoomRecorder implements RoomWatcher {
  readonly snapshots: (readonly RosterMember[])[] = [];
  readonly changes: RosterChange[] = [];
  derived: Connections = {};
  endedWith: string | undefined;

  snapshot(members: readonly RosterMember[]): void {
    this.snapshots.push(members);
    this.derived = Object.fromEntries(members.map(({ connectionId, metadata }) => [connectionId, metadata]));
  }

  change(change: RosterChange): void {
    this.changes.push(change);
    if (change.kind === "left") delete this.derived[change.connectionId];
    else this.derived[change.connectionId] = change.metadata;
  }

  ended({ code }: { readonly code: string }): void {
    this.endedWith = code;
  }

  get kinds(): string[] {
    return this.changes.map(({ kind }) => kind);
  }
}

/** Whether the numbers strictly increase. */
export function growsStrictly(versions: readonly number[]): boolean {
  return versions.every((version, index) => index === 0 || version > (versions[index - 1] ?? 0));
}
