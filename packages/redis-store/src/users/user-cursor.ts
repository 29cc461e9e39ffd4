import { parseName } from "@cm/protocol";
import { cursorInvalid } from "@cm/protocol/store";

/** A position among the online users: in a partition, after a user or at the partition's start. */
export interface UserCursor {
  readonly partition: number;
  readonly afterUser: string | undefined;
}

const TEXT = /^(\d{1,5})(?::([\s\S]+))?$/;

/**
 * Encodes the cursor for continuing at a position. The cursor contains a user instead of an index, so that users
 * who come and go do not shift others.
 */
export function encodeUserCursor({ partition, afterUser }: UserCursor): string {
  return Buffer.from(afterUser === undefined ? `${partition}` : `${partition}:${afterUser}`, "utf8").toString(
    "base64url",
  );
}

/**
 * Decodes a cursor. Throws `options-invalid` if it is not valid, or if its user belongs to another partition
 * than the cursor says. `partitionOf` returns the partition of a user.
 */
export function decodeUserCursor(
  cursor: unknown,
  partitions: number,
  partitionOf: (userId: string) => number,
): UserCursor {
  const text = typeof cursor === "string" ? Buffer.from(cursor, "base64url").toString("utf8") : "";
  const match = TEXT.exec(text);
  if (match !== null) {
    const at: UserCursor = { partition: Number(match[1]), afterUser: match[2] };
    const { partition, afterUser } = at;
    const isValid = partition < partitions && (afterUser === undefined || isUserOf(afterUser, partition, partitionOf));
    // Decoding skips invalid characters, so accept only text that encodes to the same cursor again.
    if (isValid && encodeUserCursor(at) === cursor) return at;
  }
  throw cursorInvalid("users");
}

function isUserOf(userId: string, partition: number, partitionOf: (userId: string) => number): boolean {
  return parseName(userId, "user").ok && partitionOf(userId) === partition;
}
