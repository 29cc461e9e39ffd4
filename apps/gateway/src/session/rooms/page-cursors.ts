import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { CmError } from "@cm/protocol";

const TAG_BYTES = 9;
/** In base64, which has four characters for three bytes. */
const TAG_LENGTH = 12;

/**
 * Seals the store's cursors for clients: one that this server did not give out for a room is
 * refused. The key is this process's own, so that a cursor is good for one connection, and a
 * client that came back to another server begins with the first page.
 */
export class PageCursors {
  readonly #key = randomBytes(32);

  seal(room: string, cursor: string): string {
    return this.#tag(room, cursor).toString("base64url") + cursor;
  }

  /** Throws `options-invalid`. */
  open(room: string, sealed: string): string {
    const tag = Buffer.from(sealed.slice(0, TAG_LENGTH), "base64url");
    const cursor = sealed.slice(TAG_LENGTH);
    if (tag.length === TAG_BYTES && timingSafeEqual(tag, this.#tag(room, cursor))) return cursor;
    throw new CmError("options-invalid", "This server gave no such cursor for this room.", {
      details: { field: "cursor" },
    });
  }

  #tag(room: string, cursor: string): Buffer {
    // The separator can't be in a cursor, so that no two pairs make one text.
    return createHmac("sha256", this.#key).update(`${cursor}\u0000${room}`).digest().subarray(0, TAG_BYTES);
  }
}
