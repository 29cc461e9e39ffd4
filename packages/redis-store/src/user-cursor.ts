import { CmError, parseName } from "@cm/protocol";

/** A place among the users who are online: in a slice, after a user or at its start. */
export interface UserPlace {
  readonly slice: number;
  readonly afterUser: string | undefined;
}

const TEXT = /^(\d{1,5})(?::([\s\S]+))?$/;

/**
 * The cursor that says to go on at this place. It names a user and not a number of
 * places, so that whoever comes and goes moves nobody else.
 */
export function encodeUserCursor({ slice, afterUser }: UserPlace): string {
  return Buffer.from(afterUser === undefined ? `${slice}` : `${slice}:${afterUser}`, "utf8").toString("base64url");
}

/**
 * Reads a cursor; `options-invalid` where it is none, or one of another slice than it
 * says. `sliceOf` tells the slice of a user.
 */
export function decodeUserCursor(cursor: unknown, slices: number, sliceOf: (userId: string) => number): UserPlace {
  const text = typeof cursor === "string" ? Buffer.from(cursor, "base64url").toString("utf8") : "";
  const match = TEXT.exec(text);
  if (match !== null) {
    const place: UserPlace = { slice: Number(match[1]), afterUser: match[2] };
    const { slice, afterUser } = place;
    const isPlace = slice < slices && (afterUser === undefined || isUserOf(afterUser, slice, sliceOf));
    // Decoding skips what it can't read, so only what comes out the same was a cursor.
    if (isPlace && encodeUserCursor(place) === cursor) return place;
  }
  throw new CmError("options-invalid", "This is not a cursor of a page of users.", { details: { field: "cursor" } });
}

function isUserOf(userId: string, slice: number, sliceOf: (userId: string) => number): boolean {
  return parseName(userId, "user").ok && sliceOf(userId) === slice;
}
