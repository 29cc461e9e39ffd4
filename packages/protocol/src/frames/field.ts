import type { CmError } from "../errors.js";

/** A JSON Schema, as the AsyncAPI document holds it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Which values a field of a frame can have. */
export interface Kind<T> {
  /** What the tables of the protocol page call it. */
  readonly label: string;
  /** The JSON Schema of its values. */
  readonly schema: JsonSchema;
  /** Where the schema stands in the document under a name of its own. */
  readonly schemaName?: string;
  /** What an object of this kind holds. */
  readonly fields?: Fields;
  /** What an array of this kind holds. */
  readonly items?: Kind<unknown>;
  /** Carries the type only; never set. */
  readonly value?: T;
}

/** A kind that a server reads from what a client sent. */
export interface ReadableKind<T> extends Kind<T> {
  /** Completes "must be …" in the message of an error. */
  readonly expects: string;
  /** The value; `undefined` where it is of another kind (`frame-invalid`), or an error with a code of the kind's own. */
  readonly read: (value: unknown) => T | CmError | undefined;
  /** Whether its faults have codes of their own. Such fields are read after all others of the frame. */
  readonly hasOwnCodes: boolean;
}

/** Whether a frame always has a field. With `default`, a client may leave it out, and what was read has it. */
export type Presence = "required" | "optional" | "default";

/** One field of a frame. */
export interface Field<K extends Kind<unknown>, P extends Presence> {
  /** Which values the field can have. */
  readonly kind: K;
  /** Whether a frame always has the field. */
  readonly presence: P;
  /** One sentence for the protocol page and the AsyncAPI document, without its full stop; empty where the name says it all. */
  readonly note: string;
  /** The value where a client leaves the field out; `undefined` unless `presence` is `default`. */
  readonly fallback: unknown;
}

/** The fields of a frame or of an object, by name, in the order of the documents. */
export type Fields<K extends Kind<unknown> = Kind<unknown>> = Readonly<Record<string, Field<K, Presence>>>;

/** The value that a field's kind stands for. */
type ValueOf<F> = F extends Field<Kind<infer T>, Presence> ? T : never;

/** An intersection of object types as one. */
export type Flat<T> = { [K in keyof T]: T[K] };

/** The object type that fields describe. */
export type ObjectOf<F extends Fields> = Flat<
  {
    readonly [K in keyof F as F[K]["presence"] extends "optional" ? never : K]: ValueOf<F[K]>;
  } & {
    readonly [K in keyof F as F[K]["presence"] extends "optional" ? K : never]?: ValueOf<F[K]>;
  }
>;

/** A field that every frame of the type has. */
export function required<K extends Kind<unknown>>(kind: K, note = ""): Field<K, "required"> {
  return { kind, presence: "required", note, fallback: undefined };
}

/** A field that may be absent. */
export function optional<K extends Kind<unknown>>(kind: K, note = ""): Field<K, "optional"> {
  return { kind, presence: "optional", note, fallback: undefined };
}

/** A field that a client may leave out, and that then has this value. */
export function withDefault<T, K extends Kind<T>>(kind: K & Kind<T>, fallback: T, note = ""): Field<K, "default"> {
  return { kind, presence: "default", note, fallback };
}
