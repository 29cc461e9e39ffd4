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

/** Whether two values have the same JSON text. Values whose keys are in another order count as different. */
export function sameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
