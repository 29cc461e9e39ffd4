import type { LeaseKeeper } from "../lease/lease-keeper.js";
import type { Projection } from "../projection/projection.js";
import type { LocalConnection, LocalConnections } from "./local-connections.js";
import { serializeMetadata } from "./metadata-serialization.js";
import type { WriteGuard } from "./write-guard.js";

/** Options of {@link MetadataUpdates}. */
export interface MetadataUpdatesOptions {
  readonly local: LocalConnections;
  readonly keeper: LeaseKeeper;
  readonly projection: Projection;
  readonly changes: WriteGuard;
  /** Same as `MembershipOptions.maxMetadataBytes`. */
  readonly maxBytes: number;
}

/**
 * Writes changed metadata. A failed update is retried after a heartbeat, even if its caller received the
 * error.
 */
export class MetadataUpdates {
  readonly #options: MetadataUpdatesOptions;
  /** Connections whose current metadata the store has not acknowledged. */
  readonly #outdated = new Set<LocalConnection>();

  constructor(options: MetadataUpdatesOptions) {
    this.#options = options;
  }

  async update(connection: LocalConnection, metadata: unknown): Promise<void> {
    const { local, maxBytes } = this.#options;
    connection.metadata = serializeMetadata(metadata, maxBytes);
    connection.isAnnounced = false;
    try {
      await this.#write(connection);
    } catch (error) {
      if (local.get(connection.connectionId) === connection) this.#outdated.add(connection);
      throw error;
    }
  }

  /** Writes the metadata that the store has not acknowledged. Stops at the first failure. */
  async retry(): Promise<void> {
    for (const connection of this.#outdated) {
      await this.#write(connection);
      this.#outdated.delete(connection);
    }
  }

  /** Drops the pending update of a closed connection. */
  forget(connection: LocalConnection): void {
    this.#outdated.delete(connection);
  }

  #write(connection: LocalConnection): Promise<void> {
    const { keeper, projection, changes } = this.#options;
    return changes.run(connection.connectionId, () => keeper.write((lease) => projection.update(lease, connection)));
  }
}
