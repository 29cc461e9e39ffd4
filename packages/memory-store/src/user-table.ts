import type { Lease, ReapClaim, UserConnection } from "@cm/protocol";
import type { Holder, ServerTable } from "./server-table.js";

/** Which connections a user has. */
export class UserTable {
  readonly #servers: ServerTable;
  readonly #users = new Map<string, Map<string, Holder>>();

  constructor(servers: ServerTable) {
    this.#servers = servers;
  }

  get size(): number {
    return this.#users.size;
  }

  add(lease: Lease, connections: readonly UserConnection[]): void {
    const owner = this.#servers.holder(lease);
    for (const { userId, connectionId } of connections) {
      const known = this.#users.get(userId);
      if (known === undefined) this.#users.set(userId, new Map([[connectionId, owner]]));
      else known.set(connectionId, owner);
    }
  }

  remove(lease: Lease, connections: readonly UserConnection[]): void {
    this.#remove(this.#servers.holder(lease), connections);
  }

  evict(claim: ReapClaim, connections: readonly UserConnection[]): void {
    const owner = this.#servers.claimed(claim);
    if (owner !== undefined) this.#remove(owner, connections);
  }

  connectionsOf(userId: string): string[] {
    const living: string[] = [];
    for (const [connectionId, owner] of this.#users.get(userId) ?? []) {
      if (this.#servers.lives(owner)) living.push(connectionId);
    }
    return living;
  }

  #remove(owner: Holder, connections: readonly UserConnection[]): void {
    for (const { userId, connectionId } of connections) {
      const known = this.#users.get(userId);
      if (known?.get(connectionId) !== owner) continue;
      known.delete(connectionId);
      if (known.size === 0) this.#users.delete(userId);
    }
  }
}
