import type { CmError } from "../errors.js";

/** A JSON Schema, as in the AsyncAPI document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The kind of values that a field of a frame can have. */
export interface Kind<T> {
  /** The kind's name in the tables of the protocol page. */
  readonly label: string;
  /** The JSON Schema of its values. */
  readonly schema: JsonSchema;
  /** The name of the schema in the AsyncAPI document, if it is a named schema. */
  readonly schemaName?: string;
  /** The fields of an object of this kind. */
  readonly fields?: Fields;
  /** The kind of the elements of an array of this kind. */
  readonly items?: Kind<unknown>;
  /** Only carries the type `T`; never set. */
  readonly value?: T;
}

/** A kind that a server can read from a client's frame. */
export interface ReadableKind<T> extends Kind<T> {
  /** Completes the phrase "must be …" in an error message. */
  readonly expects: string;
  /**
   * Returns the value, `undefined` if the value is not of this kind (`frame-invalid`), or an error with the
   * kind's own code.
   */
  readonly read: (value: unknown) => T | CmError | undefined;
  /**
   * Whether faults of values of this kind have their own error codes. Fields of such a kind are read after
   * all other fields of the frame.
   */
  readonly hasOwnCodes: boolean;
}

/**
 * Whether a frame always has a field. With `default`, a client may omit the field, and the parsed frame
 * contains the default value.
 */
export type FieldPresence = "required" | "optional" | "default";

/** One field of a frame. */
export interface Field<K extends Kind<unknown>, P extends FieldPresence> {
  /** The values that the field can have. */
  readonly kind: K;
  /** Whether a frame always has the field. */
  readonly presence: P;
  /**
   * One sentence without a full stop, for the protocol page and the AsyncAPI document. Empty if the
   * field's name is sufficient.
   */
  readonly note: string;
  /** The value if a client omits the field; `undefined` unless `presence` is `default`. */
  readonly fallback: unknown;
}

/** The fields of a frame or an object, by name, in the order of the protocol page and the AsyncAPI document. */
export type Fields<K extends Kind<unknown> = Kind<unknown>> = Readonly<Record<string, Field<K, FieldPresence>>>;

/** The type of a field's values. */
type ValueOf<F> = F extends Field<Kind<infer T>, FieldPresence> ? T : never;

/** Flattens an intersection of object types into one object type. */
export type Flat<T> = { [K in keyof T]: T[K] };

/** The object type that a set of fields describes. */
export type ObjectOf<F extends Fields> = Flat<
  {
    readonly [K in keyof F as F[K]["presence"] extends "optional" ? never : K]: ValueOf<F[K]>;
  } & {
    readonly [K in keyof F as F[K]["presence"] extends "optional" ? K : never]?: ValueOf<F[K]>;
  }
>;

/** Describes a field that every frame of the type has. */
export function required<K extends Kind<unknown>>(kind: K, note = ""): Field<K, "required"> {
  return { kind, presence: "required", note, fallback: undefined };
}

/** Describes a field that may be absent. */
export function optional<K extends Kind<unknown>>(kind: K, note = ""): Field<K, "optional"> {
  return { kind, presence: "optional", note, fallback: undefined };
}

/** Describes a field that a client may omit, and its default value. */
export function withDefault<T, K extends Kind<T>>(kind: K & Kind<T>, fallback: T, note = ""): Field<K, "default"> {
  return { kind, presence: "default", note, fallback };
}
