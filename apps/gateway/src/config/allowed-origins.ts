import type { EnvReader } from "./env-reader.js";

/**
 * `ALLOWED_ORIGINS`: a comma-separated list, `undefined` where it is not set. An empty
 * one is refused and not taken for "any": its author may have meant "none".
 */
export function readAllowedOrigins(reader: EnvReader): string[] | undefined {
  const name = "ALLOWED_ORIGINS";
  if (!reader.has(name)) return undefined;
  const origins = (reader.text(name) ?? "")
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
  if (origins.length === 0) reader.problem(name, "must name an origin, or be left out to let in any");
  const wrong = origins.findIndex((origin) => !isOrigin(origin));
  // The entry is not repeated: what is no origin may be a URL with a password.
  if (wrong !== -1) {
    reader.problem(
      name,
      `must hold origins as browsers send them, such as https://example.com or http://localhost:8080, ` +
        `in lower case and without a path; entry ${wrong + 1} is none`,
    );
  }
  return origins;
}

/** What an Origin header can be: scheme, host and a port that is not the scheme's own; or `null`, as from a file. */
function isOrigin(text: string): boolean {
  if (text === "null") return true;
  if (!URL.canParse(text)) return false;
  const { protocol, host, origin } = new URL(text);
  // To schemes that it does not know (those of browser extensions) the URL standard gives the origin "null".
  return host !== "" && text === (origin === "null" ? `${protocol}//${host}` : origin);
}
