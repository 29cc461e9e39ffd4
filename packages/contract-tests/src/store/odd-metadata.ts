/** JSON texts that a store may fail on, or return as another value. */
export const ODD_METADATA: readonly string[] = [
  "null",
  "true",
  "false",
  "0",
  "1e300",
  "0.1",
  "9007199254740993",
  "12345678901234567890",
  '""',
  '"{}"',
  "[]",
  "{}",
  "[[],{},[{}],null]",
  '{"":""}',
  '{"a":1,"A":2}',
  ' { "spaced" : [ 1 , 2 ] } ',
  '{"__proto__":1,"constructor":null}',
  '{"kind":"offline","user":"x","version":1,"previous":2}',
  '"\\u0000\\r\\n\\t\\u007f\\u2028"',
  '"quoted \\" and \\\\ and / and \\/"',
  '"%s $1 {0} *"',
  '"München 日本語 👋 \\ud83d\\udc4b"',
  JSON.stringify("x".repeat(1000)),
  JSON.stringify(Array.from({ length: 200 }, (_, i) => i)),
];

/** Returns a value as JSON text, so that a comparison also covers keys such as `__proto__`. */
export function textOf(value: unknown): string {
  return JSON.stringify(value);
}
