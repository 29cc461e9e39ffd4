import { isUtf8 } from "node:buffer";
import { CmError, encodeUtf8, takesHistoryStamp } from "@cm/protocol";
import { notBytes, optionInvalid } from "@cm/protocol/options";

/**
 * Throws `options-invalid` if the value is neither a string nor a `Uint8Array`. Without this check, an
 * object, or a string passed where bytes are copied, would be sent as zeros.
 */
export function requireFrame(frame: unknown): void {
  if (typeof frame === "string" || frame instanceof Uint8Array) return;
  throw new CmError("options-invalid", "A frame must be a string or a Uint8Array; encode an object first.", {
    details: { field: "frame" },
  });
}

/** The `except` of a message that all recipients get. */
export const NOBODY: readonly string[] = Object.freeze([]);

/** Throws `options-invalid` if `except` is not an array of strings: a string would be taken as a list of characters. */
export function requireExcept(except: unknown): void {
  if (Array.isArray(except) && except.every((id) => typeof id === "string")) return;
  throw optionInvalid("except", "a list of connection ids");
}

/** Returns the bytes of a frame. Throws like {@link requireFrame}. */
export function frameBytes(frame: Uint8Array | string): Uint8Array {
  requireFrame(frame);
  return typeof frame === "string" ? encodeUtf8(frame) : frame;
}

/** Throws `frame-not-text` unless the bytes are UTF-8: browsers close the connection on a text frame that is not. */
export function requireUtf8(frame: Uint8Array): void {
  if (!isUtf8(frame)) throw new CmError("frame-not-text", "The frame is not UTF-8.");
}

/**
 * Throws `frame-not-text` or `frame-invalid` unless the frame is UTF-8 and the history's stamp can be written into it.
 * Checks only that the frame begins with `{"`; the caller guarantees that it is JSON without leading spaces.
 */
export function requireStampable(frame: Uint8Array | string): void {
  if (typeof frame !== "string") requireUtf8(frame);
  if (typeof frame === "string" ? frame.startsWith('{"') : takesHistoryStamp(frame)) return;
  throw new CmError(
    "frame-invalid",
    'A frame for a recoverable room must begin with {": a JSON object with at least one field and no space before it.',
  );
}

/** Throws `options-invalid` if the payload of a message between servers is not a `Uint8Array`. */
export function requirePayload(payload: unknown): void {
  if (payload instanceof Uint8Array) return;
  throw notBytes("payload");
}
