import { CLIENT_FRAMES, type Fields, type Kind, type ReadableKind } from "@cm/protocol";
import { ODD_VALUES, type SeededRandom } from "./random-values.js";

/**
 * The name that valid frames use, both for the room that the messages of the fuzz go to and for a user who is not
 * connected.
 */
const NAME = "fuzz";

/** A valid value for each schema that has more rules than its type. */
const BY_SCHEMA: Readonly<Record<string, unknown>> = { ConnectionId: "gw.aaaa00" };

/** A valid value of a field's kind, derived from its JSON Schema, so that new fields need no value here. */
export function validValue(kind: Kind<unknown>, random: SeededRandom): unknown {
  const { fields, schema, schemaName = "" } = kind;
  if (fields !== undefined) {
    return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, validValue(field.kind, random)]));
  }
  if (schemaName in BY_SCHEMA) return BY_SCHEMA[schemaName];
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  switch (types[0]) {
    case "boolean":
      return random.below(2) === 0;
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
function validFrame(random: SeededRandom): { readonly frame: Record<string, unknown>; readonly fields: Fields } {
  const { wireType, fields } = random.of(CLIENT_FRAMES);
  const frame: Record<string, unknown> = { type: wireType };
  for (const [name, { kind, presence }] of Object.entries(fields as Fields<ReadableKind<unknown>>)) {
    if (presence === "required" || random.below(2) === 0) frame[name] = validValue(kind, random);
  }
  return { frame, fields };
}

/**
 * Returns the text of a frame that a client may send, derived from the descriptions of the frames. A tenth of the
 * frames are valid. Half have an odd value in one described field, which does not always count as a fault, so that
 * the connection stays open longer. The others have an odd value in any field, or damaged bytes.
 */
export function frameText(random: SeededRandom): string {
  const { frame, fields } = validFrame(random);
  const kind = random.below(10);
  if (kind < 1) return JSON.stringify(frame);
  if (kind < 6) {
    oddIn(frame, fields, random);
    return JSON.stringify(frame);
  }
  if (kind < 8) {
    frame[random.of([...Object.keys(frame), "extra"])] = random.of(ODD_VALUES);
    return JSON.stringify(frame);
  }
  return random.damaged(Buffer.from(JSON.stringify(frame))).toString("latin1");
}

/** Sets a described field, or a field within it, to an odd value. */
function oddIn(object: Record<string, unknown>, fields: Fields, random: SeededRandom): void {
  const names = Object.keys(fields);
  if (names.length === 0) return;
  const name = random.of(names);
  const inner = fields[name]?.kind.fields;
  const value = object[name];
  if (inner !== undefined && typeof value === "object" && value !== null && random.below(2) === 0) {
    oddIn(value as Record<string, unknown>, inner, random); // Made by `validValue` from these fields.
  } else {
    object[name] = random.of(ODD_VALUES);
  }
}
