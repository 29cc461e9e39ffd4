import { CmError, type ErrorCode } from "../errors.js";
import { isRecord } from "../shape.js";
import { CLIENT_FRAMES } from "./client-frames.js";
import type { FrameOf } from "./description.js";
import { createFrameReaders } from "./frame-reader.js";
import { type Ref, ref as refKind } from "./kinds.js";

/** The WebSocket subprotocol of version 1. */
export const SUBPROTOCOL = "cm.v1";

/** A request of a client. `ref` absent: no answer is wanted where all goes well. */
export type ClientFrame = FrameOf<(typeof CLIENT_FRAMES)[number]>;

/** A frame that could not be read: why, and the reference it carried, if one could be told. */
export interface FrameFault {
  /** What is wrong with the frame. */
  readonly error: CmError;
  /** The frame's `ref`, where it could be read. */
  readonly ref?: Ref;
}

/** What {@link parseClientFrame} gives. */
export type ClientFrameResult =
  | { readonly ok: true; readonly value: ClientFrame }
  | ({ readonly ok: false } & FrameFault);

const READERS = createFrameReaders(CLIENT_FRAMES);

/**
 * Reads one text frame of a client. Total: any text gives a frame or a coded fault
 * (`frame-not-json`, `frame-invalid`, `operation-unknown`, `name-invalid`,
 * `name-too-long`, `id-invalid`). Fields that are not known are ignored.
 */
export function parseClientFrame(text: string): ClientFrameResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault("frame-not-json", "The frame is not valid JSON.");
  }
  if (!isRecord(value)) return fault("frame-invalid", "A frame is a JSON object.");
  const { ref } = value;
  // A reference that is read is the value itself.
  if (ref !== undefined && refKind.read(ref) === undefined) {
    return fault("frame-invalid", `ref must be ${refKind.expects}.`);
  }
  const markedBy = ref as Ref | undefined;
  const read = READERS.get(value.type);
  if (read === undefined) return fault("operation-unknown", "The frame's type names no operation.", markedBy);
  const frame = read(value);
  if (frame instanceof CmError) return withRef(frame, markedBy);
  if (markedBy !== undefined) frame.ref = markedBy;
  // The readers and the type are made of the same descriptions.
  return { ok: true, value: frame as ClientFrame };
}

function fault(code: ErrorCode, message: string, ref?: Ref): { readonly ok: false } & FrameFault {
  return withRef(new CmError(code, message), ref);
}

function withRef(error: CmError, ref: Ref | undefined): { readonly ok: false } & FrameFault {
  return ref === undefined ? { ok: false, error } : { ok: false, error, ref };
}
