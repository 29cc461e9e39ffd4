import { NAME_MAX_BYTES, utf8ByteLength } from "@cm/protocol";
import type { EnvReader } from "./env-reader.js";

/**
 * A variable that says which rooms: beginnings of their names, separated by commas; `*`, which
 * stands alone, for all rooms, and is read as the empty beginning.
 */
export function readRoomBeginnings(reader: EnvReader, name: string): readonly string[] {
  const prefixes = (reader.text(name) ?? "")
    .split(",")
    .map((prefix) => prefix.trim())
    .filter((prefix) => prefix !== "");
  const wrong = prefixes.findIndex((prefix) => prefix.includes("*") || utf8ByteLength(prefix) > NAME_MAX_BYTES);
  if (prefixes.length === 1 && prefixes[0] === "*") return [""];
  if (wrong !== -1) {
    reader.problem(
      name,
      `must be * or hold beginnings of room names; entry ${wrong + 1} has a * in it, or is too long`,
    );
  }
  return prefixes;
}
