import { CmError, type ConnectionIdSource, parseConnectionId, requireName } from "@cm/protocol";
import { requireFields } from "@cm/protocol/options";
import type { NewConnection } from "../membership.js";
import { serializeMetadata } from "./metadata-serialization.js";
import { NO_ROOMS, type OwnedConnection } from "./owned-connection.js";

/** Settings that all connections of a membership share. */
export interface ConnectionSetting {
  readonly ids: ConnectionIdSource;
  readonly now: () => number;
  readonly maxMetadataBytes: number;
  readonly offlineGraceMs: number;
}

const KNOWN: Readonly<Record<keyof NewConnection, true>> = { connectionId: true, userId: true, metadata: true };

const EXAMPLE = '{ connectionId: membership.nextConnectionId(), userId: "ann" }';

/** Validates a new connection and creates its local entry, without rooms. Throws as described at `Membership.open`. */
export function newConnection(
  given: NewConnection,
  setting: ConnectionSetting,
  isOpen: (connectionId: string) => boolean,
): OwnedConnection {
  const { connectionId, userId, metadata } = requireFields("connection", given, KNOWN, EXAMPLE);
  requireName(userId, "user");
  requireFreshId(connectionId, setting.ids, isOpen);
  return {
    connectionId,
    userId,
    connectedAt: setting.now(),
    metadata: serializeMetadata(metadata, setting.maxMetadataBytes),
    graceMs: setting.offlineGraceMs,
    isAnnounced: false,
    rooms: NO_ROOMS,
    joining: undefined,
  };
}

function requireFreshId(
  connectionId: unknown,
  { serverId, incarnation }: ConnectionIdSource,
  isOpen: (connectionId: string) => boolean,
): void {
  const id = parseConnectionId(connectionId);
  const problem = !id.ok
    ? "is not valid"
    : id.value.serverId !== serverId
      ? `is of server ${id.value.serverId}, but this server is ${serverId}`
      : id.value.incarnation !== incarnation
        ? "is of another incarnation of this server"
        : isOpen(String(connectionId))
          ? "belongs to an open connection"
          : undefined;
  if (problem === undefined) return;
  throw new CmError("id-invalid", `connectionId must be a new id from nextConnectionId(); this id ${problem}.`, {
    details: { field: "connectionId" },
  });
}
