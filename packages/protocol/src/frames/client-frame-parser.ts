import { CmError, type ErrorCode } from "../errors.js";
import { isRecord } from "../type-guards.js";
import { CLIENT_FRAMES } from "./client-frame-descriptions.js";
import { type Ref, ref as refKind } from "./field-kinds.js";
import type { FrameOf } from "./frame-description.js";
import { createFrameReaders } from "./frame-reader.js";

/** The WebSocket subprotocol of version 1. */
export const SUBPROTOCOL = "cm.v1";

/** A request of a client. Without a `ref`, the request is not answered if it succeeds. */
export type ClientFrame = FrameOf<(typeof CLIENT_FRAMES)[number]>;

/** A frame that could not be read: the error, and the frame's `ref` if it could be read. */
export interface FrameFault {
  /** What is wrong with the frame. */
  readonly error: CmError;
  /** The frame's `ref`, if it could be read. */
  readonly ref?: Ref;
}

/** The result of {@link parseClientFrame}. */
export type ClientFrameResult =
  | { readonly ok: true; readonly value: ClientFrame }
  | ({ readonly ok: false } & FrameFault);

const READERS = createFrameReaders(CLIENT_FRAMES);

/**
 * Reads one text frame of a client. Never throws: any text results in a frame or a coded fault
 * (`frame-not-json`, `frame-invalid`, `operation-unknown`, `name-invalid`, `name-too-long`,
 * `id-invalid`). Unknown fields are ignored.
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
  // Only check `ref`: its reader returns the value unchanged.
  if (ref !== undefined && refKind.read(ref) === undefined) {
    return fault("frame-invalid", `ref must be ${refKind.expects}.`);
  }
  const markedBy = ref as Ref | undefined;
  const read = READERS.get(value.type);
  if (read === undefined) return fault("operation-unknown", "The frame's type names no operation.", markedBy);
  const frame = read(value);
  if (frame instanceof CmError) return withRef(frame, markedBy);
  if (markedBy !== undefined) frame.ref = markedBy;
  // The readers and the `ClientFrame` type are derived from the same descriptions.
  return { ok: true, value: frame as ClientFrame };
}

function fault(code: ErrorCode, message: string, ref?: Ref): { readonly ok: false } & FrameFault {
  return withRef(new CmError(code, message), ref);
}

function withRef(error: CmError, ref: Ref | undefined): { readonly ok: false } & FrameFault {
  return ref === undefined ? { ok: false, error } : { ok: false, error, ref };
}
