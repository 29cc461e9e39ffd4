import { NAME_MAX_BYTES, utf8ByteLength } from "@cm/protocol";
import type { EnvReader } from "./env-reader.js";

/**
 * Reads a variable that selects rooms: a comma-separated list of name prefixes. The entry `*` means all rooms,
 * must be the only entry, and is returned as the empty prefix.
 */
export function readRoomPrefixes(reader: EnvReader, name: string): readonly string[] {
  const prefixes = reader.list(name);
  const wrong = prefixes.findIndex((prefix) => prefix.includes("*") || utf8ByteLength(prefix) > NAME_MAX_BYTES);
  if (prefixes.length === 1 && prefixes[0] === "*") return [""];
  if (wrong !== -1) {
    reader.problem(name, `must be * or a list of room name prefixes; entry ${wrong + 1} contains a *, or is too long`);
  }
  return prefixes;
}
