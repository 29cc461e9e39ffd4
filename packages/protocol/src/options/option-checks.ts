import type { PageRequest } from "../contracts/room-directory.js";
import { CmError } from "../errors.js";
import { meantName } from "./misspelt-names.js";
import { requireFittingRuntime, requireFittingVersion } from "./version-compatibility.js";

/** Options in which every member is present and not `undefined`. */
export type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** A range of numbers, both bounds included. */
export interface NumberRange {
  /** The smallest accepted value. */
  readonly min: number;
  /** The greatest accepted value. */
  readonly max: number;
}

const PREFIX = /^[A-Za-z0-9:_-]{1,64}$/;

/** Maximum number of items in a page; see `PageRequest`. */
const PAGE_MAX = 1_000;

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
 * Checks that a factory's options are an object whose own members are all known options and not `null`, and returns
 * the object. The keys of `known` are the known names; its values are not used here. The type of `known` makes
 * the compiler require every option's name.
 *
 * Throws `options-invalid`. If the options are not an object, `details.field` is `options`; otherwise it is
 * the first name that is unknown or whose value is `null`. For an unknown name, `details.nearest` is the known name that
 * was probably meant, if any. Throws `version-mismatch` for a part of another version, and `runtime-unsupported` on an
 * old Node.js.
 */
export function requireOptions<T extends object>(options: T, known: Readonly<Record<keyof T, unknown>>): T {
  requireFittingRuntime();
  if (!isObject(options) || Array.isArray(options)) throw optionInvalid("options", "an object");
  for (const [field, value] of Object.entries(options)) {
    requireFittingVersion(field, value);
    if (!Object.hasOwn(known, field)) throw unknownName(field, known, "option");
    requireNotNull(field, value);
  }
  return options;
}

/** Throws `options-invalid` if the value of an option is `null`, which does not stand for the default. */
export function requireNotNull(field: string, value: unknown): void {
  if (value !== null) return;
  throw new CmError("options-invalid", `${field} must not be null.`, { details: { field } });
}

/**
 * Checks that an argument of a call is an object whose own members are all known, and returns it. `argument` is the
 * argument's name; `example` is a valid value for the error message, such as `{ limit: 100 }`.
 * Throws `options-invalid`. If the argument is not an object, `details.field` is its name; otherwise it is the first
 * unknown name, with `details.nearest` as in {@link requireOptions}.
 */
export function requireFields<T extends object>(
  argument: string,
  value: T,
  known: Readonly<Record<keyof T, unknown>>,
  example: string,
): T {
  if (!isObject(value) || Array.isArray(value)) throw optionInvalid(argument, `an object, such as ${example}`);
  for (const field of Object.keys(value)) {
    if (!Object.hasOwn(known, field)) throw unknownName(field, known, `field of ${argument}`);
  }
  return value;
}

/** Checks a page request, except for its cursor, which the store checks, and returns it. Throws `options-invalid`. */
export function requirePage(page: PageRequest): PageRequest {
  const { limit } = requireFields("page", page, { limit: true, cursor: true }, "{ limit: 100 }");
  requireWholeNumber("limit", limit, { min: 1, max: PAGE_MAX });
  return page;
}

function unknownName(field: string, known: object, kind: string): CmError {
  const nearest = meantName(field, Object.keys(known));
  const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  return new CmError("options-invalid", `${field} is not a known ${kind}.${hint}`, { details: { field, nearest } });
}

/**
 * Creates the error for a call before `start()` has resolved: `closed`, with the name of the call, such as
 * `router.toRoom`, in `details.call`.
 */
export function notStarted(call: string): CmError {
  return new CmError("closed", `${call}() was called before start() had resolved; await start() first.`, {
    details: { call },
  });
}

/**
 * Returns a value that is an integer within a range; throws `options-invalid` for any other value. `unit` is a
 * plural noun for the error message, such as `bytes`.
 */
export function requireWholeNumber(field: string, value: unknown, { min, max }: NumberRange, unit?: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const noun = unit === undefined ? "a whole number" : `a whole number of ${unit}`;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
  throw optionInvalid(field, `${noun}, ${range}`, { min, max });
}

/**
 * Returns a value that is an integer number of milliseconds within a range, by default of at most one day;
 * throws `options-invalid` for any other value.
 */
export function requireDurationMs(field: string, value: unknown, min: number, max = LONGEST_DURATION_MS): number {
  return requireWholeNumber(field, value, { min, max }, "milliseconds");
}

/** Returns a value that is a boolean; throws `options-invalid` for any other value. */
export function requireFlag(field: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw optionInvalid(field, "true or false");
}

/**
 * Returns a value that is a function; throws `options-invalid` for any other value.
 *
 * @typeParam T - The function's type, which is returned unchanged.
 */
export function requireFunction<T extends (...args: never) => unknown>(field: string, value: T): T {
  if (typeof value === "function") return value;
  throw optionInvalid(field, "a function");
}

/**
 * Returns a value that is an object in which each of the named members is a function or an object; throws
 * `options-invalid` for any other value.
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

/**
 * Returns a valid prefix of keys and channels: 1 to 64 characters of `A-Z a-z 0-9 : _ -`. Throws
 * `options-invalid` for any other value.
 */
export function requirePrefix(field: string, value: string): string {
  if (typeof value === "string" && PREFIX.test(value)) return value;
  throw optionInvalid(field, "1 to 64 of A-Z a-z 0-9 : _ -");
}

/** Creates the error for a message between servers that is not a `Uint8Array`, such as text or an object. */
export function notBytes(field: string): CmError {
  return optionInvalid(field, "a Uint8Array (encode text first)");
}

/** Returns a value that is a non-empty string; throws `options-invalid` for any other value. */
export function requireText(field: string, value: string): string {
  if (typeof value === "string" && value.length > 0) return value;
  throw optionInvalid(field, "a non-empty string");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
