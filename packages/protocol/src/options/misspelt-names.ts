/**
 * Names that callers try for an option, in lowercase letters only, and the option's possible names in this project,
 * the most likely first. Contains only names that differ too much from the option's name for {@link nearestName}.
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

/** Returns the known name that was probably meant: one from {@link ALSO_KNOWN}, or else the {@link nearestName}. */
export function meantName(written: string, known: readonly string[]): string | undefined {
  const spelt = written.toLowerCase().replace(/[^a-z]/g, "");
  const [, names = []] = ALSO_KNOWN.find(([each]) => each.includes(spelt)) ?? [];
  return names.find((name) => known.includes(name)) ?? nearestName(written, known);
}

/**
 * Returns the known name that `written` becomes with the fewest edits, regardless of upper and lower case;
 * `undefined` if more than `editsMax` are needed, by default a third of the length of `written`.
 */
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

/** The Levenshtein distance: number of letters to insert, remove or replace to turn one word into the other. */
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
