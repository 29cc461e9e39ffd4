import { type ConnectionIdParts, type Lease, parseConnectionId, type ReapClaim } from "@cm/protocol";
import { foreignConnection, leaseLost } from "@cm/protocol/store";
import { awaitAll } from "@cm/protocol/turns";
import { isRetryable } from "../errors/store-error.js";

const INCARNATION_LENGTH = 4;

/** The holder part of a connection id, without parsing the rest. */
export function holderOfConnection(connectionId: string): string {
  return connectionId.slice(0, connectionId.indexOf(".") + 1 + INCARNATION_LENGTH);
}

/** Parses a connection id of this server's incarnation. Returns `undefined` for any other text. */
export function ownParts(server: Lease | ReapClaim, connectionId: string): ConnectionIdParts | undefined {
  const id = parseConnectionId(connectionId);
  const isOwned = id.ok && id.value.serverId === server.serverId && id.value.incarnation === server.incarnation;
  return isOwned ? id.value : undefined;
}

/** Whether a connection id belongs to this server. */
export function isOwn(server: Lease | ReapClaim, connectionId: string): boolean {
  return ownParts(server, connectionId) !== undefined;
}

/** Like {@link ownParts}, but throws `id-invalid` if the connection id is not one of this server's incarnation. */
export function requireOwn(server: Lease, connectionId: string): ConnectionIdParts {
  const parts = ownParts(server, connectionId);
  if (parts !== undefined) return parts;
  throw foreignConnection(connectionId, server.serverId);
}

/**
 * Waits for all writes under this lease. Throws `lease-lost` if the fence rejected one of them, even if
 * another write failed with a different error, because that error would say less.
 */
export async function allWritten(writes: readonly Promise<boolean>[], lease: Lease): Promise<void> {
  const [first, second] = writes;
  if (first !== undefined && second === undefined) {
    if (!(await first)) throw leaseLost(lease);
    return;
  }
  const results = await Promise.allSettled(writes);
  if (results.some((result) => result.status === "fulfilled" && !result.value)) throw leaseLost(lease);
  await awaitAll(writes, isRetryable);
}
