/** The wildcard. It matches any number of characters, including zero. */
const ANY = "*";

/** The placeholder for the id of the user that the pattern belongs to. */
const USER = "{user}";

/** A parsed pattern of names: the texts between its wildcards. */
export type NamePattern = readonly string[];

/**
 * Parses a pattern such as `team:*` or `inbox:{user}`. The user's id is literal text: a `*` in the id
 * only matches itself.
 */
export function parsePattern(pattern: string, userId: string): NamePattern {
  return pattern.split(ANY).map((text) => text.replaceAll(USER, () => userId));
}

/** Whether a name matches the whole pattern. Costs O(length of the name) for each text of the pattern. */
export function matchesPattern(pattern: NamePattern, name: string): boolean {
  const [first = "", ...others] = pattern;
  const last = others.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  if (at > end) return false;
  for (const text of others) {
    const found = name.indexOf(text, at);
    if (found === -1) return false;
    at = found + text.length;
    if (at > end) return false;
  }
  return true;
}
