import { keysUnder } from "@cm/test-kit";
import { Cluster, Redis } from "ioredis";
import type { KeyTimes } from "./key-lifetimes.js";
import { KEY_TABLE, type KeyEntry } from "./key-table.js";

/**
 * The variable parts of names. A server id contains neither a dot nor a colon; a room may contain any
 * character.
 */
const DIFFERS = [
  ["<server>", "[^.:{}]+"],
  ["<room>", "[\\s\\S]+"],
  ["<partition>", "\\d+"],
  ["<id>", "[\\w-]+"],
] as const;

/** Maximum time that a renewal adds to an index's time to live, in milliseconds: `keepAtLeast` in the Lua sources. */
const SPARE_MS = 1_000;

/** The table's entries that match a key or channel. */
export function entriesFor(name: string, prefix: string, isChannel = false): KeyEntry[] {
  return KEY_TABLE.filter((entry) => (entry.type === "channel") === isChannel && patternOf(entry, prefix).test(name));
}

function patternOf({ name }: KeyEntry, prefix: string): RegExp {
  const escaped = name.replace(/^cm/, prefix).replaceAll(/[{}.]/g, "\\$&").replaceAll("*", "\\w+");
  return new RegExp(`^${DIFFERS.reduce((text, [part, fits]) => text.replaceAll(part, fits), escaped)}$`);
}

/** The errors found in the keys under a prefix, and the entries that no key matches. */
export interface KeyFindings {
  readonly wrong: readonly string[];
  readonly unused: readonly string[];
  readonly keys: number;
}

/**
 * Checks that every key under a prefix matches one entry and has its type and time to live. The time to live must be
 * at most the entry's value for `most` plus the second that indexes get more, and at least its value for `least` minus
 * `ageMs()`, the age of the oldest key.
 */
export async function lookAtKeys(
  url: string,
  prefix: string,
  { most, least, ageMs }: { readonly most: KeyTimes; readonly least: KeyTimes; readonly ageMs: () => number },
): Promise<KeyFindings> {
  const wrong: string[] = [];
  const used = new Set<KeyEntry>();
  const keys = await keysUnder(url, prefix);
  const nodes = url.replace(/^redis\+cluster:\/\//, "").split(/[,?]/);
  const redis = url.startsWith("redis+cluster:")
    ? new Cluster(
        nodes.map((node) => ({ host: node.split(":")[0] ?? "", port: Number(node.split(":")[1]) })),
        { enableAutoPipelining: true },
      )
    : new Redis(url, { enableAutoPipelining: true });
  try {
    await Promise.all(
      keys.map(async (key) => {
        const [type, ttlMs] = await Promise.all([redis.type(key), redis.pttl(key)]);
        if (type === "none") return;
        const root = /^[\w-]+/.exec(key)?.[0] ?? "";
        const [entry, ...more] = entriesFor(key, root);
        if (entry === undefined || more.length > 0) {
          wrong.push(`${key}: ${entry === undefined ? "no entry" : "more than one entry"}`);
          return;
        }
        used.add(entry);
        if (type !== entry.type) wrong.push(`${key}: a ${type} instead of a ${entry.type}`);
        const isAsDocumented =
          entry.ttlMs === undefined
            ? ttlMs === -1
            : ttlMs >= Math.max(0, entry.ttlMs(least) - ageMs()) && ttlMs <= entry.ttlMs(most) + SPARE_MS;
        if (!isAsDocumented) wrong.push(`${key} (${entry.name}): time to live ${ttlMs} ms`);
      }),
    );
  } finally {
    redis.disconnect();
  }
  const unused = KEY_TABLE.filter((entry) => entry.type !== "channel" && !used.has(entry)).map(({ name }) => name);
  return { wrong: wrong.sort(), unused, keys: keys.length };
}
