/**
 * Whether the text is written as browsers write an `Origin` header: scheme, host and, unless it is the scheme's
 * default, the port; or `null`, which browsers send for pages from files.
 */
export function isOrigin(text: string): boolean {
  if (text === "null") return true;
  if (!URL.canParse(text)) return false;
  const { origin, protocol, host } = new URL(text);
  // The URL standard gives schemes that it does not know, such as those of browser extensions, the origin "null";
  // browsers send scheme and host for them.
  return host !== "" && text === (origin === "null" ? `${protocol}//${host}` : origin);
}
