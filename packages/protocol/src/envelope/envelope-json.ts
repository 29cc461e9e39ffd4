import { CmError, type Result } from "../errors.js";
import { isStringArray } from "../type-guards.js";
import { decodeUtf8, encodeUtf8 } from "../utf8.js";
import { type CrossServerMessage, ENVELOPE_VERSION } from "./cross-server-message.js";
import { decodeEnvelope, encodeEnvelope } from "./envelope-codec.js";

/**
 * Formats a bus message as JSON, for inspection: one object with the fields of
 * {@link CrossServerMessage}. The payload is the string `payload` if it is valid UTF-8, otherwise the
 * base64 string `payloadBase64`.
 */
export function envelopeToJson(message: CrossServerMessage): string {
  const { payload, ...header } = message;
  const text = decodeUtf8(payload);
  return JSON.stringify(
    text === undefined ? { ...header, payloadBase64: toBase64(payload) } : { ...header, payload: text },
  );
}

/**
 * Reads the output of {@link envelopeToJson}. Returns `envelope-damaged` or `envelope-version` for
 * anything else; never throws.
 */
export function envelopeFromJson(json: string): Result<CrossServerMessage> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    return { ok: false, error: new CmError("envelope-damaged", "This is not JSON.", { cause }) };
  }
  if (typeof value !== "object" || value === null) return damaged();
  // The binary codec below detects wrong types of the other fields.
  const fields = value as Record<string, unknown>;
  if (!isStringArray(fields.except)) return damaged();
  if (fields.isStamped !== undefined && typeof fields.isStamped !== "boolean") return damaged();
  if (fields.version !== ENVELOPE_VERSION) {
    return {
      ok: false,
      error: new CmError("envelope-version", "This server does not support this version of bus messages."),
    };
  }
  const payload = typeof fields.payload === "string" ? encodeUtf8(fields.payload) : fromBase64(fields.payloadBase64);
  if (payload === undefined) return damaged();
  try {
    return decodeEnvelope(encodeEnvelope({ ...(fields as unknown as CrossServerMessage), payload }));
  } catch (cause) {
    return damaged(cause);
  }
}

function damaged(cause?: unknown): Result<never> {
  return { ok: false, error: new CmError("envelope-damaged", "This JSON is not a bus message.", { cause }) };
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch {
    // `atob` throws if the text is not base64.
    return undefined;
  }
}
