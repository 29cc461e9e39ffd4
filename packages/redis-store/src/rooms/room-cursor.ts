import { CmError, parseConnectionId } from "@cm/protocol";

/**
 * A place in the order of a room's members: after one connection, or after all of one
 * holder's. Cursors name connections and not indexes, so that a join or a leave shifts no
 * other member.
 */
export type RoomPlace = { readonly afterConnection: string } | { readonly afterHolder: string } | undefined;

const HOLDER = /^[A-Za-z0-9_-]{1,64}\.[a-z0-9]{4}$/;

/** The lower end of a range by bytes. `}` is the byte after `|`, which ends a connection id. */
export function lowerEnd(place: RoomPlace): string {
  if (place === undefined) return "-";
  return "afterConnection" in place ? `[${place.afterConnection}}` : `[${place.afterHolder}{`;
}

/** The cursor that says to go on at this place. */
export function encodeCursor(place: RoomPlace): string | undefined {
  if (place === undefined) return undefined;
  const text = "afterConnection" in place ? place.afterConnection : place.afterHolder;
  return Buffer.from(text, "latin1").toString("base64url");
}

/** Reads a cursor; `options-invalid` where it is none. */
export function decodeCursor(cursor: unknown): RoomPlace {
  if (cursor === undefined) return undefined;
  if (typeof cursor === "string") {
    const text = Buffer.from(cursor, "base64url").toString("latin1");
    // Decoding skips what it can't read, so only what comes out the same was a cursor.
    if (Buffer.from(text, "latin1").toString("base64url") === cursor) {
      if (parseConnectionId(text).ok) return { afterConnection: text };
      if (HOLDER.test(text)) return { afterHolder: text };
    }
  }
  throw new CmError("options-invalid", "This is not a cursor of a members page.", { details: { field: "cursor" } });
}
