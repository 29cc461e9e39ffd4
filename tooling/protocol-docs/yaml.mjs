/** A word that YAML reads as itself, and as a string. */
const WORD = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z$][\w.-]*$/i;

/** Several of them behind a key, with nothing in them or at their end that YAML would take for its own. */
const WORDS = /^[a-z][^\n:#]*[^\s:#]$/i;

/** The longest line, with its end, that the formatter leaves alone. */
const LINE_MAX = 121;

/** JSON data as YAML in block style, each line indented by at least `indent` spaces. */
export function toYaml(value, indent = 0) {
  const margin = " ".repeat(indent);
  if (Array.isArray(value)) {
    // The dash stands where the item's own margin would.
    return value.map((item) => `${margin}- ${toYaml(item, indent + 2).trimStart()}`).join("");
  }
  if (typeof value !== "object" || value === null) return `${margin}${scalar(value)}\n`;
  return Object.entries(value)
    .map(([key, item]) => {
      const name = `${margin}${WORD.test(key) ? key : JSON.stringify(key)}:`;
      if (!isShort(item)) return `${name}\n${toYaml(item, indent + 2)}`;
      const line = `${name} ${inline(item)}\n`;
      return Array.isArray(item) && line.length > LINE_MAX ? `${name}\n${broken(item, indent + 2)}` : line;
    })
    .join("");
}

/** An array whose one line would be too long, as Biome formats it. */
function broken(items, indent) {
  const margin = " ".repeat(indent);
  return `${margin}[\n${items.map((item) => `${margin}  ${scalar(item)},\n`).join("")}${margin}]\n`;
}

function scalar(value) {
  return typeof value === "string" && WORD.test(value) ? value : JSON.stringify(value);
}

/** Scalars, arrays of them, and what is empty stand behind their key. */
function isShort(value) {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every((item) => typeof item !== "object" || item === null);
  return Object.keys(value).length === 0;
}

function inline(value) {
  return Array.isArray(value)
    ? `[${value.map(scalar).join(", ")}]`
    : typeof value === "object" && value !== null
      ? "{}"
      : typeof value === "string" && value.includes(" ") && WORDS.test(value)
        ? value
        : scalar(value);
}
