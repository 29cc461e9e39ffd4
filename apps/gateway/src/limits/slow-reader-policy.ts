import type { SlowReaderOptions, SlowReaderPolicy } from "@cm/transport";

/** The settings that decide what happens to members that read too slowly. */
export interface SlowReaderRules {
  /** The application's choice for a room, which takes precedence over the lists; `undefined` leaves it to them. */
  readonly slowReaderPolicy: ((room: string) => SlowReaderPolicy | undefined) | undefined;
  /** Prefixes of room names. The longest matching prefix applies. */
  readonly slowReaderDropRooms: readonly string[];
  readonly slowReaderLatestRooms: readonly string[];
  /** Default: the transport's default. */
  readonly slowReaderBytes: number | undefined;
}

/**
 * The slow-reader options of the transport; `undefined` if every room closes slow readers, which saves the
 * lookups.
 */
export function slowReadersOf(rules: SlowReaderRules): SlowReaderOptions | undefined {
  const { slowReaderPolicy, slowReaderDropRooms, slowReaderLatestRooms, slowReaderBytes } = rules;
  const byName = [
    ...slowReaderDropRooms.map((beginning) => ({ beginning, policy: "drop" as const })),
    ...slowReaderLatestRooms.map((beginning) => ({ beginning, policy: "latest" as const })),
  ].sort((a, b) => b.beginning.length - a.beginning.length);
  if (slowReaderPolicy === undefined && byName.length === 0) return undefined;
  return {
    policyOf: (room) =>
      slowReaderPolicy?.(room) ?? byName.find(({ beginning }) => room.startsWith(beginning))?.policy ?? "close",
    maxBytes: slowReaderBytes,
    keyOf: conflationKeyOf,
  };
}

const TYPE = Buffer.from('"type":"message"');
const DATA = Buffer.from(',"data":');

/**
 * The key under which the latest message of a room is kept: everything between the frame's type and its data,
 * which is the room, the sender and the sender's `key`. A sender therefore can't replace another sender's
 * messages. Quotes within names are escaped, so the first `,"data":` is the field. All frames of the
 * application's own format share one key.
 */
export function conflationKeyOf(frame: Uint8Array): string {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const from = bytes.indexOf(TYPE);
  const to = from === -1 ? -1 : bytes.indexOf(DATA, from);
  return to === -1 ? "" : bytes.toString("latin1", from + TYPE.length, to);
}
