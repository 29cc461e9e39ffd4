import type { UserConnection } from "@cm/protocol";

/** The first character that no connection id has, and none after it. */
export const AFTER_CONNECTION_IDS = "{";

/**
 * What the entries of a user begin with: the length of the user's name in bytes, as two
 * hexadecimal digits, and the name. Without the length, the entries of `ann` and of a
 * user whose name goes on like a connection id could not be told apart.
 */
export function userEntryHead(userId: string): string {
  return Buffer.byteLength(userId).toString(16).padStart(LENGTH_DIGITS, "0") + userId;
}

const LENGTH_DIGITS = 2;

/** The user whose entries begin with this. */
export function userOfHead(head: string): string {
  return head.slice(LENGTH_DIGITS);
}

/** Reads an entry; names may have characters of several bytes, so it is cut from the end of the name. */
export function readUserEntry(entry: string): UserConnection {
  const bytes = Buffer.from(entry, "utf8");
  const end = LENGTH_DIGITS + Number.parseInt(entry.slice(0, LENGTH_DIGITS), 16);
  return {
    userId: bytes.toString("utf8", LENGTH_DIGITS, end),
    connectionId: bytes.toString("latin1", end),
  };
}
