import { isHolder, parseConnectionId } from "@cm/protocol";
import { cursorInvalid } from "@cm/protocol/store";

/**
 * A position in the order of a room's members: after one connection, or after all connections of one holder.
 * Cursors contain connections instead of indexes, so that joins and leaves do not shift other members.
 */
export type RosterCursor = { readonly afterConnection: string } | { readonly afterHolder: string } | undefined;

/**
 * The lower end of a range ordered by bytes. `}` is the byte after `|`, which follows the connection id in an entry;
 * `{` is greater than every byte of a connection id.
 */
export function lowerEnd(after: RosterCursor): string {
  if (after === undefined) return "-";
  return "afterConnection" in after ? `[${after.afterConnection}}` : `[${after.afterHolder}{`;
}

/** Encodes the cursor for continuing at a position. */
export function encodeCursor(after: RosterCursor): string | undefined {
  if (after === undefined) return undefined;
  const text = "afterConnection" in after ? after.afterConnection : after.afterHolder;
  return Buffer.from(text, "latin1").toString("base64url");
}

/** Decodes a cursor. Throws `options-invalid` if it is not valid. */
export function decodeCursor(cursor: unknown): RosterCursor {
  if (cursor === undefined) return undefined;
  if (typeof cursor === "string") {
    const text = Buffer.from(cursor, "base64url").toString("latin1");
    // Decoding skips invalid characters, so accept only text that encodes to the same cursor again.
    if (Buffer.from(text, "latin1").toString("base64url") === cursor) {
      if (parseConnectionId(text).ok) return { afterConnection: text };
      if (isHolder(text)) return { afterHolder: text };
    }
  }
  throw cursorInvalid("members");
}
