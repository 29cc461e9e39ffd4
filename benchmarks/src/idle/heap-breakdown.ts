import { readFile } from "node:fs/promises";

/** Bytes of live objects by constructor, or by V8's type in parentheses for everything else. */
export type BytesByConstructor = Readonly<Record<string, number>>;

/** The parts of a heap snapshot that are read here; nodes are numbers, several for each. */
interface HeapSnapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly (string | string[])[] };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Sums the bytes of a heap snapshot by constructor. */
export async function readBytesByConstructor(file: string): Promise<BytesByConstructor> {
  // The cast is safe: V8 wrote the file.
  return bytesByConstructor(JSON.parse(await readFile(file, "utf8")) as HeapSnapshot);
}

function bytesByConstructor({ snapshot, nodes, strings }: HeapSnapshot): BytesByConstructor {
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [typeAt, nameAt, sizeAt] = ["type", "name", "self_size"].map((field) => fields.indexOf(field));
  if (typeAt === undefined || nameAt === undefined || sizeAt === undefined) return {};
  const typeNames = types[typeAt] ?? [];
  const bytes: Record<string, number> = {};
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = typeNames[nodes[node + typeAt] ?? 0] ?? "";
    const name = type === "object" ? (strings[nodes[node + nameAt] ?? 0] ?? "") : `(${type})`;
    bytes[name] = (bytes[name] ?? 0) + (nodes[node + sizeAt] ?? 0);
  }
  return bytes;
}

/** Returns the growth in bytes per constructor, divided by `count`: the `most` largest of at least 1 byte. */
export function grownBytes(
  before: BytesByConstructor,
  after: BytesByConstructor,
  count: number,
  most: number,
): BytesByConstructor {
  const grown = Object.entries(after).map(([name, bytes]) => [name, (bytes - (before[name] ?? 0)) / count] as const);
  const largestFirst = grown.filter(([, bytes]) => bytes >= 1).sort(([, left], [, right]) => right - left);
  return Object.fromEntries(largestFirst.slice(0, most));
}
