/** The named options that are not `undefined`: the receiver fills in its defaults for the others. */
export function definedOnly<T extends object, K extends keyof T & string>(
  options: T,
  names: readonly K[],
): { [P in K]?: Exclude<T[P], undefined> } {
  const entries = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  // Only the named ones that are not undefined are left, which is what the type says.
  return Object.fromEntries(entries) as { [P in K]?: Exclude<T[P], undefined> };
}
