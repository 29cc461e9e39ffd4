import { CmError } from "@cm/protocol";
import { nearestName, optionInvalid } from "@cm/protocol/options";

/** Visible ASCII except for the characters that some servers interpret as a pattern (":" and "*"), "?" and "#". */
const FIXED_PATH = /^\/[!"$-)+-9;->@-~]{0,255}$/;

/** Throws `options-invalid` if the option `field`, an object, has a member that is not in `known`. */
export function knownMembers(field: string, value: object, known: readonly string[]): void {
  for (const member of Object.keys(value)) {
    if (known.includes(member)) continue;
    const nearest = nearestName(member, known);
    const hint = nearest === undefined ? "" : ` Did you mean ${field}.${nearest}?`;
    throw new CmError("options-invalid", `${field}.${member} is not a known option.${hint}`, {
      details: { field: `${field}.${member}`, nearest },
    });
  }
}

/**
 * Returns the value if it is a path without parameters, which a server matches exactly; otherwise throws
 * `options-invalid`.
 */
export function fixedPath(field: string, value: unknown): string {
  if (typeof value !== "string" || !FIXED_PATH.test(value)) {
    throw optionInvalid(field, 'a path: "/" and visible ASCII characters without : * ? and #, at most 256 in all');
  }
  return value;
}

/** Throws `options-invalid` if a frame is neither a string nor a `Uint8Array`, such as an object. */
export function requireFrame(frame: unknown): void {
  if (typeof frame === "string" || frame instanceof Uint8Array) return;
  throw optionInvalid("frame", "a string or a Uint8Array (encode an object first)");
}

/** Like {@link requireFrame}, for frames to several connections, which must be a `Uint8Array`. */
export function requireFrameBytes(frame: unknown): void {
  if (frame instanceof Uint8Array) return;
  throw optionInvalid("frame", "a Uint8Array (encode text first)");
}
