/**
 * What people call an option, by lowercase letters alone, and the names that it may have here, the likeliest first.
 * Only for names that have too few letters in common with the option for {@link nearestName}.
 */
const ALSO_KNOWN: readonly (readonly [written: readonly string[], names: readonly string[]])[] = [
  [
    ["url", "uri", "redis", "redisurl", "redisuri", "connectionstring"],
    ["redisUrl", "url", "store", "bus"],
  ],
  [
    ["id", "ids", "nodeid", "serverid", "serverinstance", "instance", "instanceid", "servername"],
    ["serverId", "serverInstance", "ids", "connectionId"],
  ],
  [["store"], ["redisUrl", "url", "bus"]],
  [["client"], ["clients"]],
  [["host"], ["serverHost", "node"]],
  [["port"], ["serverPort", "node"]],
  [
    ["prefix", "keyprefix", "namespace"],
    ["prefix", "namespace"],
  ],
  [["log", "logger"], ["onError"]],
  [["sockets", "transport"], ["local"]],
  [["user"], ["userId"]],
  [["data"], ["metadata"]],
  [["after"], ["cursor"]],
  [["pagesize"], ["limit"]],
  [["timeout"], ["timeoutMs", "confirmMs"]],
];

/** The known name that was probably meant: one that people call so, else {@link nearestName}. */
export function meantName(written: string, known: readonly string[]): string | undefined {
  const spelt = written.toLowerCase().replace(/[^a-z]/g, "");
  const [, names = []] = ALSO_KNOWN.find(([each]) => each.includes(spelt)) ?? [];
  return names.find((name) => known.includes(name)) ?? nearestName(written, known);
}

/** The known name with the fewest edits, where these are at most `editsMax`: a third of what was written by default. */
export function nearestName(
  written: string,
  known: readonly string[],
  editsMax = Math.floor(written.length / 3),
): string | undefined {
  let nearest: string | undefined;
  let fewest = editsMax + 1;
  for (const name of known) {
    const edits = editsBetween(written.toLowerCase(), name.toLowerCase());
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = name;
  }
  return nearest;
}

/** How many letters to insert, remove or replace to make one word of the other (Levenshtein). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
