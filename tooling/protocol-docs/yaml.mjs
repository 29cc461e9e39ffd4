/** A word that YAML reads as itself, and as a string. */
const WORD = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z$][\w.-]*$/i;

/** Several of them behind a key, with nothing in them or at their end that YAML would take for its own. */
const WORDS = /^[a-z][^\n:#]*[^\s:#]$/i;

/** JSON data as YAML in block style, each line behind so many spaces. */
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
      return isShort(item) ? `${name} ${inline(item)}\n` : `${name}\n${toYaml(item, indent + 2)}`;
    })
    .join("");
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
