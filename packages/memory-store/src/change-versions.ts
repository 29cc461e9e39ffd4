/**
 * Returns the version of a change that is made now: the time in microseconds, or the last version plus one if
 * that is greater.
 */
export function nextVersion(last: number, nowMs: number): number {
  return Math.max(last + 1, Math.floor(nowMs * 1000));
}

/**
 * Returns a change as JSON text. `metadata` and `replaced`, the metadata before the change, are already JSON
 * text.
 */
export function changeText(fields: object, metadata: string | undefined, replaced?: string | undefined): string {
  const head = JSON.stringify(fields).slice(0, -1);
  const said = metadata === undefined ? "" : `,"metadata":${metadata}`;
  return `${head}${said}${replaced === undefined ? "" : `,"replaced":${replaced}`}}`;
}
