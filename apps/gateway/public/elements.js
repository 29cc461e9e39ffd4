/** Builds the page's elements. Text from other users is inserted as text, never as markup. */

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Shows a name that a user chose, isolated so that its writing direction does not reorder the text beside it. */
export function name(text) {
  return element("bdi", { className: "name", title: text, textContent: text });
}

/** Shows a text that a user wrote, in the writing direction of its own characters. */
export function body(...children) {
  return element("span", { className: "body", dir: "auto" }, ...children);
}
