/**
 * Parses a connection's metadata from its JSON text. Returns `undefined` if there is no text or it is not
 * valid JSON.
 */
export function metadataOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether two values have the same JSON text. Key order matters; both values were parsed from stored text. */
export function sameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
