import { CmError } from "../errors.js";
import { requireFittingRuntime, requireFittingVersion } from "./fitting.js";

/** A range of numbers, both bounds included. */
export interface NumberRange {
  /** The smallest accepted value. */
  readonly min: number;
  /** The greatest accepted value. */
  readonly max: number;
}

/** The default maximum of a duration, in milliseconds: one day. Timers overflow above about 25 days. */
export const LONGEST_DURATION_MS = 86_400_000;

/**
 * Creates the error for an invalid option: `options-invalid`, with the option's name, as the caller
 * wrote it, in `details.field`. `expected` completes the sentence "The option must be …".
 */
export function optionInvalid(
  field: string,
  expected: string,
  details: Readonly<Record<string, unknown>> = {},
): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field, ...details } });
}

/**
 * Checks that a factory's options are an object whose own members are all known options, and returns
 * it. The keys of `known` are the known names; its values are not used here. The type of `known` makes
 * the compiler require every option's name.
 *
 * Throws `options-invalid`. If the options are not an object, `details.field` is `options`; otherwise
 * it is the first unknown name, and `details.nearest` is the known name that was probably meant, if
 * any. Throws `version-mismatch` for a part of another version, and `runtime-unsupported` on an old
 * Node.js.
 */
export function requireOptions<T extends object>(options: T, known: Readonly<Record<keyof T, unknown>>): T {
  requireFittingRuntime();
  if (!isObject(options) || Array.isArray(options)) throw optionInvalid("options", "an object");
  for (const [field, value] of Object.entries(options)) {
    requireFittingVersion(field, value);
    if (Object.hasOwn(known, field)) continue;
    const nearest = nearestName(field, Object.keys(known));
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    throw new CmError("options-invalid", `${field} is not a known option.${hint}`, { details: { field, nearest } });
  }
  return options;
}

/**
 * Checks that a value is an integer within a range, and returns it. `unit` is a plural noun for the
 * error message, such as `bytes`.
 */
export function requireWholeNumber(field: string, value: number, { min, max }: NumberRange, unit?: string): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const noun = unit === undefined ? "a whole number" : `a whole number of ${unit}`;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
  throw optionInvalid(field, `${noun}, ${range}`, { min, max });
}

/**
 * Checks that a value is an integer number of milliseconds within a range, by default of at most one
 * day, and returns it.
 */
export function requireDurationMs(field: string, value: number, min: number, max = LONGEST_DURATION_MS): number {
  return requireWholeNumber(field, value, { min, max }, "milliseconds");
}

/**
 * Checks that a value is a function, and returns it.
 *
 * @typeParam T - The function's type, which is returned unchanged.
 */
export function requireFunction<T extends (...args: never) => unknown>(field: string, value: T): T {
  if (typeof value === "function") return value;
  throw optionInvalid(field, "a function");
}

/**
 * Checks that a value is an object in which each of the named members is a function or an object, and
 * returns it.
 */
export function requireMembers<T extends object>(field: string, value: T, members: readonly (keyof T & string)[]): T {
  const names = members.join(", ");
  if (!isObject(value)) throw optionInvalid(field, `an object with ${names}`);
  for (const member of members) {
    const held: unknown = value[member];
    if (typeof held === "function" || isObject(held)) continue;
    throw optionInvalid(field, `an object with ${names}; it lacks ${member}`, { member });
  }
  return value;
}

/** Checks that a value is a non-empty string, and returns it. */
export function requireText(field: string, value: string): string {
  if (typeof value === "string" && value.length > 0) return value;
  throw optionInvalid(field, "a non-empty string");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * Returns the known name with the fewest edits from `written`, ignoring case; `undefined` if all need
 * more than `editsMax`, by default a third of the length of `written`.
 */
export function nearestName(
  written: string,
  known: readonly string[],
  editsMax = Math.floor(written.length / 3),
): string | undefined {
  let nearest: string | undefined;
  let fewest = editsMax + 1;
  for (const name of known) {
    const edits = editsBetween(written.toLowerCase(), name.toLowerCase());
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = name;
  }
  return nearest;
}

/**
 * Returns the minimum number of letters to insert, remove or replace to turn one word into the other
 * (Levenshtein distance).
 */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
