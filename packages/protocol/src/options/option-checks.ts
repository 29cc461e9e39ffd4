import type { PageRequest } from "../contracts/room-directory.js";
import { CmError } from "../errors.js";
import { requireFittingRuntime, requireFittingVersion } from "./fitting.js";
import { meantName } from "./known-names.js";

/** Options of which none is left out, or `undefined`. */
export type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** From where to where a number may be, both included. */
export interface NumberRange {
  /** The least value that is taken. */
  readonly min: number;
  /** The greatest value that is taken. */
  readonly max: number;
}

const PREFIX = /^[A-Za-z0-9:_-]{1,64}$/;

/** The most items of a page; see the contract of `PageRequest`. */
const PAGE_MAX = 1_000;

/** The longest duration by default, in milliseconds: a day. Timers overflow not far above. */
export const LONGEST_DURATION_MS = 86_400_000;

/**
 * A refusal of one option: `options-invalid`, whose `details.field` is the option's name as
 * the caller wrote it. `expected` completes the sentence "The option must be …".
 */
export function optionInvalid(
  field: string,
  expected: string,
  details: Readonly<Record<string, unknown>> = {},
): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field, ...details } });
}

/**
 * Takes what a factory was given for its options: an object whose own members are all known.
 * The keys of `known` are the known names; its values are the caller's. It is typed by the options,
 * so that the compiler demands each of them.
 * Throws `options-invalid`; `details.field` is `options` where it is no object, else the first
 * unknown name, and `details.nearest` the known name that was probably meant, if any. Throws
 * `version-mismatch` for a part of another version, and `runtime-unsupported` on an old Node.js.
 */
export function requireOptions<T extends object>(options: T, known: Readonly<Record<keyof T, unknown>>): T {
  requireFittingRuntime();
  if (!isObject(options) || Array.isArray(options)) throw optionInvalid("options", "an object");
  for (const [field, value] of Object.entries(options)) {
    requireFittingVersion(field, value);
    if (!Object.hasOwn(known, field)) throw unknownName(field, known, "option");
  }
  return options;
}

/**
 * Takes what a call was given for an argument that is an object: its own members are all known. `argument` is the
 * argument's name, and `example` what might be given, such as `{ limit: 100 }`.
 * Throws `options-invalid`; `details.field` is the argument where it is no object, else the first unknown name, and
 * `details.nearest` as of {@link requireOptions}.
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

/** Which page of a list is asked for; a cursor is the list's to judge. Throws `options-invalid`. */
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
 * The refusal of a call that needs what `start()` brings: `closed`, whose `details.call` is the call, such as
 * `router.toRoom`.
 */
export function notStarted(call: string): CmError {
  return new CmError("closed", `${call}() was called before start() was done: await start() first.`, {
    details: { call },
  });
}

/** A whole number within a range. `unit` is a plural noun for the message, such as `bytes`. */
export function requireWholeNumber(field: string, value: number, { min, max }: NumberRange, unit?: string): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const noun = unit === undefined ? "a whole number" : `a whole number of ${unit}`;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
  throw optionInvalid(field, `${noun}, ${range}`, { min, max });
}

/** A whole number of milliseconds within a range that ends at a day where nothing else is said. */
export function requireDurationMs(field: string, value: number, min: number, max = LONGEST_DURATION_MS): number {
  return requireWholeNumber(field, value, { min, max }, "milliseconds");
}

/**
 * A function.
 *
 * @typeParam T - The function's type, which comes back unchanged.
 */
export function requireFunction<T extends (...args: never) => unknown>(field: string, value: T): T {
  if (typeof value === "function") return value;
  throw optionInvalid(field, "a function");
}

/** An object in which each of the members named is a function or an object. */
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

/** What stands in front of every key and channel: 1 to 64 of `A-Z a-z 0-9 : _ -`. */
export function requirePrefix(field: string, value: string): string {
  if (typeof value === "string" && PREFIX.test(value)) return value;
  throw optionInvalid(field, "1 to 64 of A-Z a-z 0-9 : _ -");
}

/** The refusal of what goes from server to server and is no bytes: text, or an object. */
export function notBytes(field: string): CmError {
  return optionInvalid(field, "a Uint8Array: text must be encoded before");
}

/** A string that is not empty. */
export function requireText(field: string, value: string): string {
  if (typeof value === "string" && value.length > 0) return value;
  throw optionInvalid(field, "a non-empty string");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
