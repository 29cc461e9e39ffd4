import type { HistoryPosition } from "../contracts/history.js";

/*
 * The stamp of a stored message is the first two fields of its frame, a JSON object. The bytes are
 * sent to clients unchanged, and the servers on the way read the position without parsing JSON.
 */
const EPOCH = asciiOf('{"epoch":');
const OFFSET = asciiOf(',"offset":');
const COMMA = 0x2c;

/** Returns the text that a store writes after the `{` of a frame that is stored at the given position. */
export function historyStamp({ epoch, offset }: HistoryPosition): string {
  return `"epoch":${epoch},"offset":${offset},`;
}

/**
 * Whether a stamp can be written into a frame. Checks only that the frame begins with `{"`; the caller
 * guarantees that it is JSON without leading spaces.
 */
export function takesHistoryStamp(frame: Uint8Array): boolean {
  return frame[0] === EPOCH[0] && frame[1] === EPOCH[1];
}

/**
 * Reads the position that a frame is stamped with; `undefined` if the frame has no stamp. Messages have
 * offsets from 1; a frame with the offset 0 is the notice that another history begins.
 */
export function readHistoryStamp(frame: Uint8Array): HistoryPosition | undefined {
  const epochEnd = endOfNumber(frame, EPOCH, 0);
  const offsetEnd = endOfNumber(frame, OFFSET, epochEnd);
  if (offsetEnd === 0 || frame[offsetEnd] !== COMMA) return undefined;
  const epoch = numberIn(frame, EPOCH.length, epochEnd);
  const offset = numberIn(frame, epochEnd + OFFSET.length, offsetEnd);
  return epoch > 0 ? { epoch, offset } : undefined;
}

/**
 * Returns the end of the digits that follow a label; 0 if the label is missing, or has no digits or too
 * many.
 */
function endOfNumber(frame: Uint8Array, label: readonly number[], at: number): number {
  for (let i = 0; i < label.length; i++) if (frame[at + i] !== label[i]) return 0;
  const from = at + label.length;
  let end = from;
  while (isDigit(frame[end])) end++;
  // Numbers of up to 15 digits are exact in a double.
  return end === from || end - from > 15 ? 0 : end;
}

function numberIn(frame: Uint8Array, from: number, end: number): number {
  let value = 0;
  for (let i = from; i < end; i++) value = value * 10 + ((frame[i] ?? 0) - 0x30);
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function asciiOf(text: string): readonly number[] {
  return [...text].map((character) => character.charCodeAt(0));
}
