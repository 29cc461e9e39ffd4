/** Matches from a line with "generated: <part>" to the next line with "generated: end". */
const PART = /^( *)(\S+ generated: (.+?)(?: -->)?)\n[\s\S]*?^( *\S+ generated: end.*)$/gm;

/**
 * Replaces the marked parts of a text by the results of `write(part, indent)`; the indent is that of the
 * marker. Throws unless the text has each part exactly once, and no other part.
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
