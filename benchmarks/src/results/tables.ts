/** A number with two digits after the point, or none if it is 100 or more. */
export function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}

/**
 * Formats a measured figure. It is "-" if there is none: not a number if an older build did not measure it, infinite
 * if it is divided by nothing, and negative if memory did not grow.
 */
export function measured(value: number): string {
  return Number.isFinite(value) && value >= 0 ? round(value) : "-";
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
