import { CmError } from "@cm/protocol";

/**
 * The user in a query such as `user=ann`, encoded as in an HTML form: UTF-8,
 * percent-encoded, `+` for a space. What is not well-formed is refused and not replaced:
 * two different names must never become one.
 *
 * Throws `unauthorized` where there is none, `name-invalid` where it is given twice or is
 * not UTF-8.
 */
export function userOf(query: string | undefined): string {
  // uWebSockets.js has no query, rather than an empty one, where there is no question mark.
  const values = (query ?? "").split("&").flatMap((pair) => {
    const [name, ...value] = pair.split("=");
    return decode(name ?? "") === "user" ? [value.join("=")] : [];
  });
  const [value, ...others] = values;
  if (value === undefined) throw new CmError("unauthorized", "Say who you are: ?user=name.");
  if (others.length > 0) throw new CmError("name-invalid", "The user must be given once.");
  const user = decode(value);
  if (user === undefined) throw new CmError("name-invalid", "The user must be percent-encoded UTF-8.");
  return user;
}

/** `undefined` where the text is not well-formed. */
function decode(text: string): string | undefined {
  // What came as bare bytes was decoded below, where a broken sequence becomes U+FFFD.
  if (text.includes("\uFFFD")) return undefined;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
