import type { UserConnection } from "@cm/protocol";

/** The first character after all characters that occur in connection ids. */
export const AFTER_CONNECTION_IDS = "{";

/**
 * The head of a user's entries: the length of the user's name in bytes as two hexadecimal digits, and the
 * name. Without the length, the entries of `ann` could not be distinguished from those of a user named `ann`
 * followed by characters of a connection id.
 */
export function userEntryHead(userId: string): string {
  return Buffer.byteLength(userId).toString(16).padStart(LENGTH_DIGITS, "0") + userId;
}

const LENGTH_DIGITS = 2;

/** Returns the user that a head belongs to. */
export function userOfHead(head: string): string {
  return head.slice(LENGTH_DIGITS);
}

/**
 * Parses an entry. The length counts bytes, and names may contain multi-byte characters, so the entry is
 * split as bytes.
 */
export function readUserEntry(entry: string): UserConnection {
  const bytes = Buffer.from(entry, "utf8");
  const end = LENGTH_DIGITS + Number.parseInt(entry.slice(0, LENGTH_DIGITS), 16);
  return {
    userId: bytes.toString("utf8", LENGTH_DIGITS, end),
    connectionId: bytes.toString("latin1", end),
  };
}
