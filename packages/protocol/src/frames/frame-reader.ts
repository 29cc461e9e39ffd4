import { CmError } from "../errors.js";
import type { Field, FieldPresence, ReadableKind } from "./field-description.js";
import type { ClientFrameDescription } from "./frame-description.js";

/**
 * Reads a frame's fields. Returns an error if a field does not match its description. The `ref` is not
 * checked here.
 */
export type FrameReader = (frame: Record<string, unknown>) => Record<string, unknown> | CmError;

/** Creates one reader for each type on the wire. */
export function createFrameReaders(descriptions: readonly ClientFrameDescription[]): ReadonlyMap<unknown, FrameReader> {
  const byWireType = new Map<string, ClientFrameDescription[]>();
  for (const description of descriptions) {
    byWireType.set(description.wireType, [...(byWireType.get(description.wireType) ?? []), description]);
  }
  return new Map(
    [...byWireType].map(([wireType, described]) => {
      const [only, second] = described;
      return [
        wireType,
        only !== undefined && second === undefined ? readerOf(only) : readerOfSome(wireType, described),
      ];
    }),
  );
}

/**
 * Creates the reader for frames that share a type on the wire. The fields named by `chosenBy` decide which of
 * the descriptions applies; exactly one of these fields must be present.
 */
function readerOfSome(wireType: string, descriptions: readonly ClientFrameDescription[]): FrameReader {
  const readers = descriptions.map((description) => {
    const { chosenBy, type } = description;
    if (chosenBy === undefined) throw new CmError("options-invalid", `No field chooses ${type} among ${wireType}.`);
    return { chosenBy, read: readerOf(description) };
  });
  const choice = readers.map(({ chosenBy }) => chosenBy).join(" or ");
  return (frame) => {
    let chosen: FrameReader | undefined;
    for (const { chosenBy, read } of readers) {
      if (frame[chosenBy] === undefined) continue;
      if (chosen !== undefined) return new CmError("frame-invalid", `${wireType} takes ${choice}, not both.`);
      chosen = read;
    }
    return chosen?.(frame) ?? new CmError("frame-invalid", `${wireType} needs ${choice}.`);
  };
}

function readerOf({ type, wireType, fields }: ClientFrameDescription): FrameReader {
  const described = Object.entries<Field<ReadableKind<unknown>, FieldPresence>>(fields)
    .filter(([name]) => name !== "ref")
    .map(([name, { kind, presence, fallback }]) => ({ name, kind, isOptional: presence === "optional", fallback }));
  // Read fields whose kinds have their own error codes last, so that a frame of the wrong shape always
  // gets `frame-invalid`, regardless of its other faults.
  const steps = [
    ...described.filter(({ kind }) => !kind.hasOwnCodes),
    ...described.filter(({ kind }) => kind.hasOwnCodes),
  ];
  return (frame) => {
    const read: Record<string, unknown> = { type };
    for (const { name, kind, isOptional, fallback } of steps) {
      const given = frame[name];
      if (given === undefined && (isOptional || fallback !== undefined)) {
        if (!isOptional) read[name] = fallback;
        continue;
      }
      const value = kind.read(given);
      if (value instanceof CmError) return value;
      if (value === undefined) {
        const fault = given === undefined ? `${wireType} needs ${name}:` : `${name} must be`;
        return new CmError("frame-invalid", `${fault} ${kind.expects}.`);
      }
      read[name] = value;
    }
    return read;
  };
}
