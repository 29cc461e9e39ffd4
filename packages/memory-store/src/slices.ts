import { CmError } from "@cm/protocol";

/**
 * How many slices users and rooms are cut into. Memory needs none: there are several so
 * that whoever goes over slices does so here too, and few so that it costs nothing.
 */
export const SLICES = 16;

/** The slice of a user or room, by a hash (FNV-1a) of its name. */
export function sliceOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  // The lowest bits of this hash depend on little of the name.
  return ((hash >>> 16) ^ hash) & (SLICES - 1);
}

/** What a list has for a slice; `options-invalid` where there is no such slice. */
export function requireSlice<T>(all: readonly T[], slice: number): T {
  const found = all[slice];
  if (found === undefined) {
    throw new CmError("options-invalid", `slice must be a whole number from 0 to ${SLICES - 1}.`, {
      details: { field: "slice" },
    });
  }
  return found;
}
