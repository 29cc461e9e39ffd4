/**
 * The version of a change made now: the time in microseconds, as in every store of the contracts, if it is
 * greater than the last version; otherwise the last version plus one.
 */
export function nextVersion(last: number, nowMs: number): number {
  return Math.max(last + 1, Math.floor(nowMs * 1000));
}

/** The JSON text of a change: its fields, and its metadata, which is JSON text already. */
export function changeText(fields: object, metadata: string | undefined, replaced?: string | undefined): string {
  const head = JSON.stringify(fields).slice(0, -1);
  const said = metadata === undefined ? "" : `,"metadata":${metadata}`;
  return `${head}${said}${replaced === undefined ? "" : `,"replaced":${replaced}`}}`;
}
