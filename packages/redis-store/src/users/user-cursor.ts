import { CmError, parseName } from "@cm/protocol";

/** A place among the users who are online: in a partition, after a user or at its start. */
export interface UserPlace {
  readonly partition: number;
  readonly afterUser: string | undefined;
}

const TEXT = /^(\d{1,5})(?::([\s\S]+))?$/;

/**
 * The cursor that says to go on at this place. It names a user and not an index, so that
 * users who come and go shift no other.
 */
export function encodeUserCursor({ partition, afterUser }: UserPlace): string {
  return Buffer.from(afterUser === undefined ? `${partition}` : `${partition}:${afterUser}`, "utf8").toString(
    "base64url",
  );
}

/**
 * Reads a cursor; `options-invalid` where it is none, or one of another partition than it
 * says. `partitionOf` tells the partition of a user.
 */
export function decodeUserCursor(
  cursor: unknown,
  partitions: number,
  partitionOf: (userId: string) => number,
): UserPlace {
  const text = typeof cursor === "string" ? Buffer.from(cursor, "base64url").toString("utf8") : "";
  const match = TEXT.exec(text);
  if (match !== null) {
    const place: UserPlace = { partition: Number(match[1]), afterUser: match[2] };
    const { partition, afterUser } = place;
    const isPlace = partition < partitions && (afterUser === undefined || isUserOf(afterUser, partition, partitionOf));
    // Decoding skips what it can't read, so only what comes out the same was a cursor.
    if (isPlace && encodeUserCursor(place) === cursor) return place;
  }
  throw new CmError("options-invalid", "This is not a cursor of a page of users.", { details: { field: "cursor" } });
}

function isUserOf(userId: string, partition: number, partitionOf: (userId: string) => number): boolean {
  return parseName(userId, "user").ok && partitionOf(userId) === partition;
}
