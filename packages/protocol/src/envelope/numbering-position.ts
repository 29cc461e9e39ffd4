import { CmError, type Result } from "../errors.js";
import type { EnvelopePosition } from "./envelope-codec.js";
import { readUint, writeUint } from "./integers.js";

/**
 * How far a server's numbering of one channel has come. A sequence of 0 says that the
 * server has no numbering for it: it never published there, or has forgotten that it did.
 */
export interface NumberingPosition extends EnvelopePosition {
  /** How long ago the numbering began, in milliseconds of the answering server's clock; at most 2^32 - 1. */
  readonly ageMs: number;
}

/** Epoch (u32), sequence (u48), age in milliseconds (u32). */
const POSITION_BYTES = 14;
const AGE_MAX_MS = 2 ** 32 - 1;

/** Writes positions, one after the other: the body of an answer to `positions`. */
export function encodePositions(positions: readonly NumberingPosition[]): Uint8Array {
  const bytes = new Uint8Array(positions.length * POSITION_BYTES);
  positions.forEach(({ epoch, sequence, ageMs }, i) => {
    const at = i * POSITION_BYTES;
    writeUint(bytes, at, 4, epoch);
    writeUint(bytes, at + 4, 6, sequence);
    writeUint(bytes, at + 10, 4, Math.min(AGE_MAX_MS, Math.ceil(Math.max(0, ageMs))));
  });
  return bytes;
}

/** Reads `count` positions; `envelope-damaged` where the bytes hold another number of them. */
export function decodePositions(bytes: Uint8Array, count: number): Result<NumberingPosition[]> {
  if (bytes.length !== count * POSITION_BYTES) {
    return { ok: false, error: new CmError("envelope-damaged", `These are not ${count} positions.`) };
  }
  const positions = Array.from({ length: count }, (_, i) => {
    const at = i * POSITION_BYTES;
    return { epoch: readUint(bytes, at, 4), sequence: readUint(bytes, at + 4, 6), ageMs: readUint(bytes, at + 10, 4) };
  });
  return { ok: true, value: positions };
}
