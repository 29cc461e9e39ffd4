import type { SlowReaderOptions, SlowReaderPolicy } from "@cm/transport";

/** Who says what happens to members that do not read fast enough. */
export interface SlowReaderRules {
  /** The application's word for a room, before the lists'; `undefined` leaves it to them. */
  readonly slowReaderPolicy: ((room: string) => SlowReaderPolicy | undefined) | undefined;
  /** Beginnings of the names of rooms. The longest that fits counts. */
  readonly slowReaderDropRooms: readonly string[];
  readonly slowReaderLatestRooms: readonly string[];
  /** Default: what the transport takes. */
  readonly slowReaderBytes: number | undefined;
}

/** What the transport is told; `undefined` where every room closes slow readers, so that nothing is looked up. */
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
 * What a message of a room is about: everything between its place in the history and its data, which is the
 * room, the sender and the sender's `key`. So a sender can't take the place of another one's messages.
 * Quotes within names are escaped: the first `,"data":` is the field. Frames of the application's own have one key.
 */
export function conflationKeyOf(frame: Uint8Array): string {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const from = bytes.indexOf(TYPE);
  const to = from === -1 ? -1 : bytes.indexOf(DATA, from);
  return to === -1 ? "" : bytes.toString("latin1", from + TYPE.length, to);
}
