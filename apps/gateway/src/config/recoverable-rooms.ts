import { NAME_MAX_BYTES, utf8ByteLength } from "@cm/protocol";
import type { EnvReader } from "./env-reader.js";

/** `RECOVERABLE_ROOMS`: beginnings of rooms' names, separated by commas; `*`, which stands alone, for all rooms. */
export function readRecoverableRooms(reader: EnvReader): readonly string[] {
  const name = "RECOVERABLE_ROOMS";
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
