import type { PresenceChange, RosterChange } from "@cm/protocol";
import type { PresenceWatcher, RoomWatcher, RosterMember, UserPresence } from "./index.js";

/** Connection ids with their metadata, of a user or a room. */
export type Connections = Record<string, unknown>;

/** Keeps what a watcher of users hears, and what follows from it. */
export class UserRecorder implements PresenceWatcher {
  readonly snapshots: (readonly UserPresence[])[] = [];
  readonly changes: PresenceChange[] = [];
  /** How users are by the words of presence. */
  readonly presences = new Map<string, UserPresence>();
  /** Connections of those who have any, from snapshots and the bare changes alone. */
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

/** The same for a room. */
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

/** Whether numbers only grow. */
export function growsStrictly(versions: readonly number[]): boolean {
  return versions.every((version, index) => index === 0 || version > (versions[index - 1] ?? 0));
}
