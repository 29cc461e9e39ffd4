/**
 * The version of a change that comes now: in microseconds by the clock where that is
 * greater than the last one, as every store of the contracts counts, else one more.
 */
export function nextVersion(last: number, nowMs: number): number {
  return Math.max(last + 1, Math.floor(nowMs * 1000));
}

/** The text of a change: its fields, and metadata that is JSON text already. */
export function changeText(fields: object, metadata: string | undefined, replaced?: string | undefined): string {
  const head = JSON.stringify(fields).slice(0, -1);
  const said = metadata === undefined ? "" : `,"metadata":${metadata}`;
  return `${head}${said}${replaced === undefined ? "" : `,"replaced":${replaced}`}}`;
}
