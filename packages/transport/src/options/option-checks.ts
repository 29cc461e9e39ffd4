import { CmError } from "@cm/protocol";
import { nearestName } from "@cm/protocol/options";

/** Visible ASCII except for the characters that some servers interpret as a pattern (":" and "*"), "?" and "#". */
const FIXED_PATH = /^\/[!"$-)+-9;->@-~]{0,255}$/;

/** Creates the error `options-invalid` for one option. `problem` completes a sentence that begins with its name. */
export function invalid(field: string, problem: string): CmError {
  return new CmError("options-invalid", `${field} ${problem}.`, { details: { field } });
}

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

/** Returns the value if it is an integer from `min` to `max`, otherwise throws {@link invalid}. */
export function whole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(field, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** Returns the value if it is a boolean, otherwise throws {@link invalid}. */
export function flag(field: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw invalid(field, "must be true or false");
  return value;
}

/**
 * Returns the value if it is a path without parameters, which a server matches exactly; otherwise throws {@link
 * invalid}.
 */
export function fixedPath(field: string, value: unknown): string {
  if (typeof value !== "string" || !FIXED_PATH.test(value)) {
    throw invalid(field, 'must be a path: "/" and visible ASCII characters without : * ? and #, at most 256 in all');
  }
  return value;
}

/** Throws {@link invalid} if a frame is neither a string nor a `Uint8Array`, such as an object. */
export function requireFrame(frame: unknown): void {
  if (typeof frame === "string" || frame instanceof Uint8Array) return;
  throw invalid("frame", "must be a string or a Uint8Array (encode an object first)");
}

/** Like {@link requireFrame}, for frames to several connections, which must be a `Uint8Array`. */
export function requireFrameBytes(frame: unknown): void {
  if (frame instanceof Uint8Array) return;
  throw invalid("frame", "must be a Uint8Array (encode text first)");
}
