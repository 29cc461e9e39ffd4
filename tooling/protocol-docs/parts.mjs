/** From a line with "generated: <part>" to the next with "generated: end". */
const PART = /^( *)(\S+ generated: (.+?)(?: -->)?)\n[\s\S]*?^( *\S+ generated: end.*)$/gm;

/**
 * A text with its marked parts rewritten by `write(part, indent)`; the indent is that of the
 * marker. Fails unless the text has each part once, and no other.
 */
export function replaceParts(text, write, parts) {
  const missing = new Set(Object.keys(parts));
  const written = text.replaceAll(PART, (_, indent, begin, name, end) => {
    if (!missing.delete(name)) throw new Error(`"generated: ${name}" names no part, or one that was there already.`);
    return `${indent}${begin}\n${write(parts[name], indent.length)}${end}`;
  });
  if (missing.size > 0) throw new Error(`No place is marked for these parts: ${[...missing].join(", ")}.`);
  return written;
}
