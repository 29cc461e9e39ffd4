/**
 * The stamp in a message's `data`: a JSON string with a fixed layout, so that a receiver reads it from the
 * raw bytes of a frame without parsing JSON.
 *
 * `"~cm~` + run (4) + publisher (5) + sequence (8) + due time (8) + padding + `"`, all numbers in lower-case
 * hexadecimal.
 */
export interface PayloadStamp {
  run: number;
  publisher: number;
  sequence: number;
  /** Time at which the message was due, in microseconds since the driver's origin; less than 2^32, to fit. */
  dueAtUs: number;
}

const MARKER = "~cm~";
const MARKER_BYTES = Buffer.from(MARKER, "latin1");
const [M0 = 0, M1 = 0, M2 = 0, M3 = 0] = MARKER_BYTES;
const RUN_AT = 4;
const PUBLISHER_AT = 8;
const SEQUENCE_AT = 13;
const TIME_AT = 21;
const STAMP_LENGTH = 29;

/** Minimum value of `--bytes`: the size of the stamp, the quotes, and some padding. */
export const PAYLOAD_MIN_BYTES = 48;

/** Writes payloads of one size. */
export class PayloadWriter {
  readonly #head: string;
  readonly #padding: string;

  /** @param bytes size of the payload as JSON text, including quotes */
  constructor(run: number, bytes: number) {
    this.#head = MARKER + hex(run, 4);
    this.#padding = "abcdefghijklmnopqrstuvwxyz012345".repeat(bytes / 32 + 1).slice(0, bytes - 2 - STAMP_LENGTH);
  }

  /** Returns the payload's text, which becomes a JSON string when it is put in quotes. */
  write(publisher: number, sequence: number, dueAtUs: number): string {
    return this.#head + hex(publisher, 5) + hex(sequence, 8) + hex(dueAtUs, 8) + this.#padding;
  }
}

/**
 * Finds stamps in frames. The distance of the stamp from the end of the frame is the same for all messages of
 * one connection, so the distance of the last stamp that was found is tried first.
 */
export class PayloadReader {
  #distance = 0;

  /** Reads the stamp in `bytes[start, end)` into `stamp`. Returns `false` if there is none. */
  read(bytes: Buffer, start: number, end: number, stamp: PayloadStamp): boolean {
    let at = end - this.#distance;
    if (this.#distance < STAMP_LENGTH || at < start || !isMarker(bytes, at)) {
      at = start + bytes.subarray(start, end).indexOf(MARKER_BYTES);
      if (at < start || at + STAMP_LENGTH > end) return false;
      this.#distance = end - at;
    }
    stamp.run = unhex(bytes, at + RUN_AT, 4);
    stamp.publisher = unhex(bytes, at + PUBLISHER_AT, 5);
    stamp.sequence = unhex(bytes, at + SEQUENCE_AT, 8);
    stamp.dueAtUs = unhex(bytes, at + TIME_AT, 8);
    return true;
  }
}

function isMarker(bytes: Buffer, at: number): boolean {
  return bytes[at] === M0 && bytes[at + 1] === M1 && bytes[at + 2] === M2 && bytes[at + 3] === M3;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function unhex(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index++) {
    const byte = bytes[index] ?? 0;
    // "0" to "9" are 48 to 57, "a" to "f" are 97 to 102.
    value = value * 16 + (byte < 58 ? byte - 48 : byte - 87);
  }
  return value;
}
