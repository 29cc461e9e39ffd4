import { CmError, type Result } from "../errors.js";
import { readUint, writeUint } from "./big-endian-integers.js";
import type { EnvelopePosition } from "./envelope-codec.js";

/**
 * The latest position of a server's sequencer for one channel. A sequence of 0 means that the server has no
 * sequencer for the channel: it never published there, or has dropped the sequencer.
 */
export interface SequencerPosition extends EnvelopePosition {
  /**
   * Time since the sequencer was created, in milliseconds by the clock of the server that reports the position;
   * at most 2^32 - 1.
   */
  readonly ageMs: number;
}

/** Size of one encoded position: epoch (u32), sequence (u48), age in milliseconds (u32). */
const POSITION_BYTES = 14;
const AGE_MAX_MS = 2 ** 32 - 1;

/** Encodes positions, one after the other, as the body of the answer to a `positions` request. */
export function encodePositions(positions: readonly SequencerPosition[]): Uint8Array {
  const bytes = new Uint8Array(positions.length * POSITION_BYTES);
  positions.forEach(({ epoch, sequence, ageMs }, i) => {
    const at = i * POSITION_BYTES;
    writeUint(bytes, at, 4, epoch);
    writeUint(bytes, at + 4, 6, sequence);
    writeUint(bytes, at + 10, 4, Math.min(AGE_MAX_MS, Math.ceil(Math.max(0, ageMs))));
  });
  return bytes;
}

/** Decodes `count` positions. Returns `envelope-damaged` if the bytes contain another number of positions. */
export function decodePositions(bytes: Uint8Array, count: number): Result<SequencerPosition[]> {
  if (bytes.length !== count * POSITION_BYTES) {
    return { ok: false, error: new CmError("envelope-damaged", `The bytes do not contain ${count} positions.`) };
  }
  const positions = Array.from({ length: count }, (_, i) => {
    const at = i * POSITION_BYTES;
    return { epoch: readUint(bytes, at, 4), sequence: readUint(bytes, at + 4, 6), ageMs: readUint(bytes, at + 10, 4) };
  });
  return { ok: true, value: positions };
}
