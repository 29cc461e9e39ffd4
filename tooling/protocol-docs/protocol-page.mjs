/** Formats a Markdown table whose columns are as wide as their widest cell. */
function table(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |\n`;
  return line(head) + line(widths.map((width) => "-".repeat(width))) + rows.map(line).join("");
}

/** The generated parts of the protocol page, by the names of their markers. */
export function pageParts({ clientFrames, serverFrames, errorCodes }) {
  const parts = { answers: answersTable(clientFrames), errors: errorsTable(errorCodes) };
  for (const wireType of new Set(clientFrames.map((frame) => frame.wireType))) {
    const frames = clientFrames.filter((frame) => frame.wireType === wireType);
    const errors = [...new Set(frames.flatMap((frame) => frame.errors))];
    const told = errors.length === 0 ? "" : `\nErrors: ${errors.map((code) => `\`${code}\``).join(", ")}.\n`;
    parts[`client ${wireType}`] = fieldsTable(wireType, frames) + told;
  }
  for (const frame of serverFrames) parts[`server ${frame.type}`] = fieldsTable(frame.type, [frame]);
  return parts;
}

function errorsTable(codes) {
  return table(
    ["code", "retry", "meaning"],
    Object.entries(codes).map(([code, { retryable, meaning }]) => [`\`${code}\``, retryable ? "yes" : "no", meaning]),
  );
}

function answersTable(frames) {
  const rows = new Map(
    frames.map(({ wireType, answer, answerNote }) => [
      wireType,
      [`\`${wireType}\``, answerNote === undefined ? `\`${answer}\`` : `\`${answer}\` ${answerNote}`],
    ]),
  );
  return table(["request", "answer"], [...rows.values()]);
}

/** The table of fields of all frames with one type on the wire, beginning with those that distinguish the frames. */
function fieldsTable(wireType, frames) {
  const named = frames.flatMap(({ fields }) => Object.entries(fields));
  const isShared = ([name]) => frames.every(({ fields }) => name in fields);
  const fields = new Map([...named.filter((entry) => !isShared(entry)), ...named.filter(isShared)]);
  return table(
    ["field", "type", ""],
    [
      ["`type`", `\`"${wireType}"\``, ""],
      ...[...fields].map(([name, { kind, presence, note, fallback }]) => [
        `\`${name}\``,
        presence === "required" ? kind.label : `${kind.label}, optional`,
        [...(fallback === undefined ? [] : [`Default \`${fallback}\``]), ...(note === "" ? [] : [note])].join(". "),
      ]),
    ],
  );
}

/** The parsed examples of one frame type: the page's code blocks with this mark. */
export function examplesOf(page, mark, type) {
  return [...page.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === mark)
    .map((match) => JSON.parse(match[2]))
    .filter((frame) => frame.type === type);
}
