import { CmError } from "@cm/protocol";

/**
 * Reads the user from a query such as `user=ann`, encoded as in an HTML form: UTF-8, percent-encoded, `+` for a
 * space. Malformed encodings are rejected rather than replaced, so that two different names never become the
 * same one.
 *
 * Throws `unauthorized` if the query has no user, and `name-invalid` if it has several or the name is not
 * UTF-8.
 */
export function userOf(query: string | undefined): string {
  // Without a question mark in the URL, uWebSockets.js returns `undefined` rather than an empty query.
  const values = (query ?? "").split("&").flatMap((pair) => {
    const [name, ...value] = pair.split("=");
    return decode(name ?? "") === "user" ? [value.join("=")] : [];
  });
  const [value, ...others] = values;
  if (value === undefined) throw new CmError("unauthorized", "Name the user in the query: ?user=name.");
  if (others.length > 0) throw new CmError("name-invalid", "The user must be given exactly once.");
  const user = decode(value);
  if (user === undefined) throw new CmError("name-invalid", "The user must be percent-encoded UTF-8.");
  return user;
}

/** Decodes a form-encoded text. Returns `undefined` if the text is malformed. */
function decode(text: string): string | undefined {
  // Reject U+FFFD: the transport has already decoded the bytes that were not percent-encoded, and has replaced
  // malformed UTF-8 by U+FFFD.
  if (text.includes("\uFFFD")) return undefined;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
