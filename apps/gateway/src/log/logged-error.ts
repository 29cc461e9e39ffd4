import { CmError, isCmError } from "@cm/protocol";

/**
 * Limits for an error in the log: maximum number of characters of a message or stack line, of stack lines, and
 * of nested causes.
 */
const MESSAGE_MAX = 500;
const PLACES_MAX = 10;
const CAUSES_MAX = 3;

/**
 * Copies an error for the log, with bounded size: name, message, code, details, stack and causes. Other fields are left
 * out, because errors of HTTP clients contain the request with its tokens and headers.
 */
export function loggedError(error: unknown, causes = CAUSES_MAX): Error {
  const facts = factsOf(error);
  const cause = causes > 0 && facts.cause !== undefined ? { cause: loggedError(facts.cause, causes - 1) } : {};
  const copy = isCmError(error)
    ? new CmError(error.code, facts.message, {
        ...cause,
        ...(error.details === undefined ? {} : { details: error.details }),
      })
    : Object.assign(new Error(facts.message, cause), { name: facts.name });
  const places = facts.places.slice(0, PLACES_MAX).map((place) => `\n    at ${place}`);
  copy.stack = `${facts.name}: ${facts.message}${places.join("")}`;
  return copy;
}

/** Describes the causes of an error, one per line: name, message, and the place that threw it. */
export function causesOf(error: unknown): string {
  const lines: string[] = [];
  let { cause } = factsOf(error);
  while (cause !== undefined && lines.length < CAUSES_MAX) {
    const facts = factsOf(cause);
    const place = facts.places.find((each) => !/(^|\()node:/.test(each)) ?? facts.places[0];
    lines.push(`caused by ${facts.name}: ${facts.message}${place === undefined ? "" : ` (at ${place})`}`);
    cause = facts.cause;
  }
  return lines.join("\n");
}

interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  /** The lines of the stack, such as `login (file:///srv/app.js:3:9)`; the first may be Node.js internals. */
  readonly places: readonly string[];
  readonly cause: unknown;
}

/** Reads the facts of any thrown value without calling its methods. */
function factsOf(error: unknown): ErrorFacts {
  if (!(error instanceof Error) && !isCmError(error)) {
    const message = typeof error === "string" ? clipped(error, MESSAGE_MAX) : "not an error was thrown";
    return { name: typeof error, message, places: [], cause: undefined };
  }
  const { name, message, stack, cause } = error;
  return {
    name: typeof name === "string" ? clipped(name, 100) : "Error",
    message: typeof message === "string" ? clipped(message, MESSAGE_MAX) : "",
    places: typeof stack === "string" ? placesIn(stack) : [],
    cause,
  };
}

function placesIn(stack: string): string[] {
  return [...stack.matchAll(/^ {4}at (.+)$/gm)].map(([, place = ""]) => clipped(place, MESSAGE_MAX));
}

function clipped(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`;
}
