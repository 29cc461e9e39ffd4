/** Builds what the page shows. What others wrote becomes text, never markup. */

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A name that a user chose: isolated, so that its writing direction moves nothing beside it. */
export function name(text) {
  return element("bdi", { className: "name", title: text, textContent: text });
}

/** A text that a user wrote; it sets its own writing direction. */
export function body(...children) {
  return element("span", { className: "body", dir: "auto" }, ...children);
}
