/** Returns the named options that are not `undefined`. The receiver fills in its defaults for the others. */
export function definedOnly<T extends object, K extends keyof T & string>(
  options: T,
  names: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  const entries = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  // `entries` contains only named options that are not `undefined`, as the type states.
  return Object.fromEntries(entries) as { [P in K]?: Exclude<T[P], undefined> };
}
