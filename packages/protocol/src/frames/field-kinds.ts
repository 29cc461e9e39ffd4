import { CmError } from "../errors.js";
import { NAME_MAX_BYTES, type NameKind, parseName } from "../room-and-user-names.js";
import { parseConnectionId } from "../server-and-connection-ids.js";
import { isRecord } from "../type-guards.js";
import type { Fields, Kind, ObjectOf, ReadableKind } from "./field-description.js";

/** The maximum length of a `ref` string, in UTF-16 code units. */
export const REF_MAX_LENGTH = 64;

/** An identifier that a client gives a request. The answer to the request repeats it. */
export type Ref = string | number;

export const ref: ReadableKind<Ref> = {
  label: "ref",
  schemaName: "Ref",
  schema: {
    description: `The client's identifier of a request. A string of at most ${REF_MAX_LENGTH} UTF-16 code units, or a number, which is returned as an IEEE 754 double.`,
    type: ["string", "number"],
    "x-max-utf16-units": REF_MAX_LENGTH,
  },
  expects: `a finite number or a string of at most ${REF_MAX_LENGTH} characters`,
  read: (value) => (isRef(value) ? value : undefined),
  hasOwnCodes: false,
};

function isRef(value: unknown): value is Ref {
  return typeof value === "number"
    ? Number.isFinite(value)
    : typeof value === "string" && value.length <= REF_MAX_LENGTH;
}

/** The name of a room or of a user. Error codes: `name-invalid`, `name-too-long`. */
function name(of: NameKind): ReadableKind<string> {
  return {
    label: "name",
    schemaName: "Name",
    schema: {
      description: `A room or user name. Any well-formed text of 1 to ${NAME_MAX_BYTES} bytes in UTF-8; no character is special.`,
      type: "string",
      minLength: 1,
      maxLength: NAME_MAX_BYTES,
      "x-max-utf8-bytes": NAME_MAX_BYTES,
      "x-well-formed": true,
    },
    expects: "a name",
    read: (value) => {
      const result = parseName(value, of);
      return result.ok ? result.value : result.error;
    },
    hasOwnCodes: true,
  };
}

export const roomName = name("room");
export const userName = name("user");

const NOT_A_CONNECTION_ID = "This is not a connection id. Use the id from welcome, from a message or from members.";

/** The id of a connection. Error code: `id-invalid`. */
export const connectionId: ReadableKind<string> = {
  label: "connection id",
  schemaName: "ConnectionId",
  schema: {
    description: "Opaque: compare it and send it back. Each connection has one id, which is never reused.",
    type: "string",
    pattern: "^[A-Za-z0-9_-]{1,64}\\.[a-z0-9]{4}[a-g0-9](0|[1-9a-z][a-z0-9]{0,10})$",
  },
  expects: "a connection id",
  read: (value) => {
    // Not the error of `parseConnectionId`, whose message names functions that a client does not have.
    if (!parseConnectionId(value).ok) return new CmError("id-invalid", NOT_A_CONNECTION_ID);
    return value as string; // `parseConnectionId` accepts only strings.
  },
  hasOwnCodes: true,
};

/** The maximum length of a token, in UTF-16 code units. */
const TOKEN_MAX_LENGTH = 65_536;

/** The maximum length of a conflation key, in UTF-16 code units. */
const KEY_MAX_LENGTH = 64;

/** The conflation key of a message: its subject, such as the id of the object whose position it reports. */
export const key: ReadableKind<string> = {
  label: "key",
  schemaName: "Key",
  schema: {
    description: `Conflation key: for a member that does not read, a later message of the same sender with the same key replaces this one if the room keeps the latest. A string of 1 to ${KEY_MAX_LENGTH} UTF-16 code units.`,
    type: "string",
    minLength: 1,
    "x-max-utf16-units": KEY_MAX_LENGTH,
  },
  expects: `a non-empty string of at most ${KEY_MAX_LENGTH} characters`,
  read: (value) =>
    typeof value === "string" && value.length > 0 && value.length <= KEY_MAX_LENGTH ? value : undefined,
  hasOwnCodes: false,
};

/** The client's credentials, which the server's authentication checks. */
export const token: ReadableKind<string> = {
  label: "token",
  schemaName: "Token",
  schema: {
    description: "A token such as a JSON Web Token.",
    type: "string",
    minLength: 1,
    maxLength: TOKEN_MAX_LENGTH,
  },
  expects: `a non-empty string of at most ${TOKEN_MAX_LENGTH} characters`,
  read: (value) =>
    typeof value === "string" && value.length > 0 && value.length <= TOKEN_MAX_LENGTH ? value : undefined,
  hasOwnCodes: false,
};

export const serverId: Kind<string> = {
  label: "server id",
  schemaName: "ServerId",
  schema: { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" },
};

/** Any JSON value. */
export const data: ReadableKind<unknown> = {
  label: "data",
  schemaName: "Data",
  schema: { description: "Any JSON value." },
  expects: "any JSON value",
  read: (value) => value,
  hasOwnCodes: false,
};

export const boolean: ReadableKind<boolean> = {
  label: "boolean",
  schema: { type: "boolean" },
  expects: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
  hasOwnCodes: false,
};

export const number: ReadableKind<number> = {
  label: "number",
  schema: { type: "number" },
  expects: "a number",
  read: (value) => (typeof value === "number" ? value : undefined),
  hasOwnCodes: false,
};

/** The number `value`, and no other number. */
export function constant(value: number): Kind<number> {
  return { label: "number", schema: { const: value } };
}

/** A number greater than zero, integer or not. */
export const positiveNumber: Kind<number> = { label: "number", schema: { type: "number", exclusiveMinimum: 0 } };

export const string: ReadableKind<string> = {
  label: "string",
  schema: { type: "string" },
  expects: "a string",
  read: (value) => (typeof value === "string" ? value : undefined),
  hasOwnCodes: false,
};

/** A string from the server that names the next page. */
export const cursor: ReadableKind<string> = { ...string, label: "cursor" };

/** An integer of at least `minimum`, and of at most `maximum` if given. */
export function integer(minimum: number, maximum?: number): ReadableKind<number> {
  return {
    label: "integer",
    schema: maximum === undefined ? { type: "integer", minimum } : { type: "integer", minimum, maximum },
    expects: `a whole number from ${minimum}${maximum === undefined ? "" : ` to ${maximum}`}`,
    read: (value) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= (maximum ?? value)
        ? value
        : undefined,
    hasOwnCodes: false,
  };
}

/** One of a few strings. */
export function oneOf<const T extends string>(schemaName: string, values: readonly T[], description: string): Kind<T> {
  return {
    label: values.map((value) => `\`"${value}"\``).join(" or "),
    schemaName,
    schema: { description, type: "string", enum: values },
  };
}

/** An object that only servers write. */
export function object<F extends Fields>(schemaName: string, fields: F, description = ""): Kind<ObjectOf<F>> {
  return {
    label: "object",
    schemaName,
    schema: description === "" ? { type: "object" } : { description, type: "object" },
    fields,
  };
}

/**
 * An object that a client writes. All of its fields are required, an invalid field makes the object invalid,
 * and unknown fields are dropped. The error of a field whose kind has its own codes is the object's error, unless
 * another field makes the object invalid.
 */
export function readableObject<F extends Fields<ReadableKind<unknown>>>(
  schemaName: string,
  fields: F,
  description: string,
): ReadableKind<ObjectOf<F>> {
  const entries = Object.entries(fields);
  return {
    ...object(schemaName, fields, description),
    expects: `an object with ${entries.map(([name, { kind }]) => `${name} (${kind.expects})`).join(" and ")}`,
    read: (value) => {
      if (!isRecord(value)) return undefined;
      const read: Record<string, unknown> = {};
      let fault: CmError | undefined;
      for (const [name, { kind }] of entries) {
        const part = kind.read(value[name]);
        if (part === undefined) return undefined;
        if (part instanceof CmError) fault ??= part;
        else read[name] = part;
      }
      // Every field was read by its own kind.
      return fault ?? (read as ObjectOf<F>);
    },
    hasOwnCodes: entries.some(([, { kind }]) => kind.hasOwnCodes),
  };
}

/** An array of at most `maxItems` values of one kind. */
export function arrayOf<T>(items: Kind<T>, maxItems: number): Kind<readonly T[]> {
  return { label: "array", schema: { type: "array", maxItems }, items };
}

/** Identifies the history of a recoverable room that an offset belongs to. */
export const epoch: ReadableKind<number> = {
  ...integer(1, Number.MAX_SAFE_INTEGER),
  schemaName: "Epoch",
  schema: {
    description: "The history of a recoverable room that an offset belongs to.",
    type: "integer",
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
  },
};

/** The number of a message in the history of a recoverable room. */
export const offset: ReadableKind<number> = {
  ...integer(0, Number.MAX_SAFE_INTEGER),
  schemaName: "Offset",
  schema: {
    description: "Number of a message in the history of a recoverable room, from 1; 0 is before the first message.",
    type: "integer",
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
  },
};
