/** One bar: its label, its length, and the text at its end. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  /** Whether the bar shows this project; such bars have their own colour. */
  readonly isOwn: boolean;
}

/** Bars that share a scale, under a heading. */
export interface BarGroup {
  readonly heading: string;
  readonly bars: readonly Bar[];
}

/** The content of a chart. */
export interface BarChart {
  readonly title: string;
  /** The whole content as text, for readers who cannot see the chart. */
  readonly description: string;
  readonly groups: readonly BarGroup[];
}

// In user units of the SVG. Pictures of the documentation are at most 360 wide.
const WIDTH = 360;
const BARS_AT = 124;
const BARS_WIDTH = 116;
const ROW = 17;
const HEADING = 22;
const TOP = 30;

/** Draws horizontal bars as SVG, in the colours of the documentation's pictures, for light and dark pages. */
export function drawBarChart({ title, description, groups }: BarChart): string {
  const parts: string[] = [];
  let y = TOP;
  for (const { heading, bars } of groups) {
    // A single group needs no heading, because the title says what it shows.
    if (groups.length > 1) {
      parts.push(`<text class="small strong" x="8" y="${y + 12}">${escapeXml(heading)}</text>`);
      y += HEADING;
    }
    const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
    for (const { label, value, text, isOwn } of bars) {
      // A negative value, such as memory that shrank, gets the shortest bar.
      const length = Math.max(1, (Math.max(0, value) / longest) * BARS_WIDTH);
      parts.push(
        `<text class="small" x="${BARS_AT - 6}" y="${y + 9}" text-anchor="end">${escapeXml(label)}</text>`,
        `<rect class="${isOwn ? "solid" : "bar"}" x="${BARS_AT}" y="${y}" width="${length.toFixed(1)}" height="11" rx="2" />`,
        `<text class="small" x="${(BARS_AT + length + 5).toFixed(1)}" y="${y + 9}">${escapeXml(text)}</text>`,
      );
      y += ROW;
    }
    y += 4;
  }
  const height = y + 6;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">
  <title>${escapeXml(title)}</title>
  <desc>${escapeXml(description)}</desc>
  <style>
${STYLE}
  </style>
  <rect class="paper" width="${WIDTH}" height="${height}" />
  <text class="strong" x="8" y="18">${escapeXml(title)}</text>
  ${parts.join("\n  ")}
</svg>
`;
}

const STYLE = `    svg { --ink: #1f2933; --soft: #6b7785; --paper: #ffffff; --line: #1d4ed8; }
    @media (prefers-color-scheme: dark) {
      svg { --ink: #e4e7eb; --soft: #a3afbd; --paper: #1b1b1f; --line: #8ab4ff; }
    }
    .paper { fill: var(--paper); }
    text { font: 12px system-ui, sans-serif; fill: var(--ink); }
    .small { font-size: 10.5px; }
    .strong { font-weight: 600; }
    .solid { fill: var(--line); }
    .bar { fill: var(--soft); }`;

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
