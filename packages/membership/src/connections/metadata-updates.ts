import type { LeaseKeeper } from "../lease/lease-keeper.js";
import type { Projection } from "../projection/projection.js";
import { serializeMetadata } from "./metadata-serialization.js";
import type { OwnedConnection } from "./owned-connection.js";
import type { WriteGuard } from "./write-guard.js";

/** Options of {@link MetadataUpdates}. */
export interface MetadataUpdatesOptions {
  readonly keeper: LeaseKeeper;
  readonly projection: Projection;
  readonly writeGuard: WriteGuard;
  /** Same as `MembershipOptions.maxMetadataBytes`. */
  readonly maxBytes: number;
}

/**
 * Writes changed metadata. A failed update is retried after a heartbeat, even if its caller received the
 * error.
 */
export class MetadataUpdates {
  readonly #options: MetadataUpdatesOptions;
  /** Connections whose metadata is to be written again, because a write failed. */
  readonly #outdated = new Set<OwnedConnection>();

  constructor(options: MetadataUpdatesOptions) {
    this.#options = options;
  }

  async update(connection: OwnedConnection, metadata: unknown): Promise<void> {
    connection.metadata = serializeMetadata(metadata, this.#options.maxBytes);
    connection.isAnnounced = false;
    await this.#write(connection);
  }

  /** Writes the metadata that the store has not acknowledged. Stops at the first failure. */
  async retry(): Promise<void> {
    for (const connection of this.#outdated) {
      // Before the write: an update that fails during it marks the connection again.
      this.#outdated.delete(connection);
      await this.#write(connection);
    }
  }

  /** Drops the pending update of a closed connection. */
  forget(connection: OwnedConnection): void {
    this.#outdated.delete(connection);
  }

  async #write(connection: OwnedConnection): Promise<void> {
    const { keeper, projection, writeGuard } = this.#options;
    try {
      const write = (): Promise<void> => keeper.write((lease) => projection.update(lease, connection));
      await writeGuard.run(connection.connectionId, write);
    } catch (error) {
      if (projection.isOpen(connection)) this.#outdated.add(connection);
      throw error;
    }
  }
}
