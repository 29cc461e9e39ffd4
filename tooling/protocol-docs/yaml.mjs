/** A word that needs no quotes in YAML. */
const WORD = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z$][\w.-]*$/i;

/** Several words that need no quotes as the value of a key. */
const WORDS = /^[a-z][^\n:#]*[^\s:#]$/i;

/** Maximum length of a line, including its line feed, that the formatter does not break. */
const LINE_MAX = 121;

/** JSON data as YAML in block style, with each line indented by at least `indent` spaces. */
export function toYaml(value, indent = 0) {
  const margin = " ".repeat(indent);
  if (Array.isArray(value)) {
    // The dash replaces the item's own indentation.
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

/** An array that is too long for one line, formatted as by Biome. */
function broken(items, indent) {
  const margin = " ".repeat(indent);
  return `${margin}[\n${items.map((item) => `${margin}  ${scalar(item)},\n`).join("")}${margin}]\n`;
}

function scalar(value) {
  return typeof value === "string" && WORD.test(value) ? value : JSON.stringify(value);
}

/** Whether a value is written on the line of its key: scalars, arrays of scalars, and empty values. */
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
