import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { CmError } from "@cm/protocol";

const TAG_BYTES = 9;
/** Length of the signature in base64, which encodes three bytes in four characters. */
const TAG_LENGTH = 12;

/**
 * Signs the store's cursors for clients, so that a cursor that this server did not issue for the room is
 * rejected. The key belongs to this process, so a cursor is of use only on this server: a client that
 * reconnects to another server starts with the first page again.
 */
export class SignedCursors {
  readonly #key = randomBytes(32);

  sign(room: string, cursor: string): string {
    return this.#tag(room, cursor).toString("base64url") + cursor;
  }

  /** Returns the store's cursor in a signed one. Throws `options-invalid` if the signature is wrong. */
  verify(room: string, signed: string): string {
    const tag = Buffer.from(signed.slice(0, TAG_LENGTH), "base64url");
    const cursor = signed.slice(TAG_LENGTH);
    if (tag.length === TAG_BYTES && timingSafeEqual(tag, this.#tag(room, cursor))) return cursor;
    throw new CmError("options-invalid", "The cursor does not belong to this room and server.", {
      details: { field: "cursor" },
    });
  }

  #tag(room: string, cursor: string): Buffer {
    // As JSON, no two pairs have the same text, whatever characters the room's name and the client's cursor contain.
    return createHmac("sha256", this.#key)
      .update(JSON.stringify([room, cursor]))
      .digest()
      .subarray(0, TAG_BYTES);
  }
}
