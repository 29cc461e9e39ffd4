import type { Channel } from "../contracts/bus.js";
import type { Lease } from "../contracts/leases-and-claims.js";
import { CmError } from "../errors.js";

/** Creates the error for a call after the store was closed: `closed`. */
export function storeClosed(): CmError {
  return new CmError("closed", "The store was closed.");
}

/** Creates the error for a second subscription of a channel: `options-invalid`. */
export function alreadySubscribed({ kind, name }: Channel): CmError {
  return new CmError("options-invalid", `The ${kind} channel ${name} is already subscribed.`, {
    details: { field: "channel" },
  });
}

/** Creates the error for a cursor that no page of the list had: `options-invalid`. */
export function cursorInvalid(list: "members" | "users"): CmError {
  return new CmError("options-invalid", `This is not the cursor of a page of ${list}.`, {
    details: { field: "cursor" },
  });
}

/** Creates the error for a lease that has expired or was acquired again: `lease-lost`. */
export function leaseLost({ serverId, token }: Lease): CmError {
  return new CmError("lease-lost", `The lease of server ${serverId} expired or was acquired again.`, {
    details: { serverId, token },
  });
}

/** Creates the error for a server id whose lease another server holds, by the store's clock: `server-id-taken`. */
export function serverIdTaken(serverId: string, heldUntilMs: number): CmError {
  const until = new Date(heldUntilMs).toISOString();
  const message =
    `Another living server holds the server id ${serverId}; ` + `its lease expires at ${until} unless it is renewed.`;
  return new CmError("server-id-taken", message, { details: { serverId, heldUntilMs } });
}

/** Creates the error for the id of a dead server that was not cleaned up: `server-id-expired`. */
export function serverIdExpired(serverId: string): CmError {
  const message = `The server id ${serverId} belongs to a dead server that is not cleaned up yet.`;
  return new CmError("server-id-expired", message, { details: { serverId } });
}

/** Creates the error for a connection of another server than the lease's: `id-invalid`. */
export function foreignConnection(connectionId: string, serverId: string): CmError {
  return new CmError("id-invalid", `${connectionId} is not a connection of server ${serverId}.`);
}

/** Creates the error for a user who would have more connections than `maxPerUser`: `connections-limit`. */
export function tooManyConnections(): CmError {
  return new CmError("connections-limit", "The user has reached its connection limit.");
}

/** Creates the error for a room without a record: `not-found`. */
export function recordMissing(room: string): CmError {
  return new CmError("not-found", `The room ${room} has no record.`);
}
