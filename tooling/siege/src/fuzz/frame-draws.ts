import { CLIENT_FRAMES, type Fields, type Kind, type ReadableKind } from "@cm/protocol";
import { type Draws, ODD_VALUES } from "./random-values.js";

/**
 * The name that valid frames use, both for the room that the messages of the fuzz go to and for a user who is not
 * connected.
 */
const NAME = "fuzz";

/** A valid value for each schema that has more rules than its type. */
const BY_SCHEMA: Readonly<Record<string, unknown>> = { ConnectionId: "gw.aaaa00" };

/** A valid value of a field's kind, derived from its JSON Schema, so that new fields need no value here. */
export function validValue(kind: Kind<unknown>, draws: Draws): unknown {
  const { fields, schema, schemaName = "" } = kind;
  if (fields !== undefined) {
    return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, validValue(field.kind, draws)]));
  }
  if (schemaName in BY_SCHEMA) return BY_SCHEMA[schemaName];
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  switch (types[0]) {
    case "boolean":
      return draws.below(2) === 0;
    case "integer":
    case "number":
      return Number(schema.minimum ?? 1);
    case "string":
      return NAME;
    default:
      return { a: [1, "x"] };
  }
}

/** A valid frame: all required fields, and each other field in half of the frames. */
function validFrame(draws: Draws): { readonly frame: Record<string, unknown>; readonly fields: Fields } {
  const { wireType, fields } = draws.of(CLIENT_FRAMES);
  const frame: Record<string, unknown> = { type: wireType };
  for (const [name, { kind, presence }] of Object.entries(fields as Fields<ReadableKind<unknown>>)) {
    if (presence === "required" || draws.below(2) === 0) frame[name] = validValue(kind, draws);
  }
  return { frame, fields };
}

/**
 * Returns the text of a frame that a client may send, derived from the descriptions of the frames. A tenth of the
 * frames are valid. Half have an odd value in one described field, which does not always count as a fault, so that
 * the connection stays open longer. The others have an odd value in any field, or damaged bytes.
 */
export function frameText(draws: Draws): string {
  const { frame, fields } = validFrame(draws);
  const kind = draws.below(10);
  if (kind < 1) return JSON.stringify(frame);
  if (kind < 6) {
    oddIn(frame, fields, draws);
    return JSON.stringify(frame);
  }
  if (kind < 8) {
    frame[draws.of([...Object.keys(frame), "extra"])] = draws.of(ODD_VALUES);
    return JSON.stringify(frame);
  }
  return draws.damaged(Buffer.from(JSON.stringify(frame))).toString("latin1");
}

/** Sets a described field, or a field within it, to an odd value. */
function oddIn(object: Record<string, unknown>, fields: Fields, draws: Draws): void {
  const names = Object.keys(fields);
  if (names.length === 0) return;
  const name = draws.of(names);
  const inner = fields[name]?.kind.fields;
  const value = object[name];
  if (inner !== undefined && typeof value === "object" && value !== null && draws.below(2) === 0) {
    oddIn(value as Record<string, unknown>, inner, draws); // Made by `validValue` from these fields.
  } else {
    object[name] = draws.of(ODD_VALUES);
  }
}
