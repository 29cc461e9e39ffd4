import { CmError } from "@cm/protocol";
import { SLOW_READER_POLICIES, type SlowReaderOptions, type SlowReaderPolicy } from "@cm/transport";

/** The settings that decide what happens to members that read too slowly. */
export interface SlowReaderRules {
  /**
   * Returns the application's policy for a room, which takes precedence over the two lists of prefixes. If it
   * returns `undefined`, the lists decide.
   */
  readonly slowReaderPolicy: ((room: string) => SlowReaderPolicy | undefined) | undefined;
  /** Prefixes of the names of `drop` rooms. The longest matching prefix of both lists applies. */
  readonly slowReaderDropRooms: readonly string[];
  readonly slowReaderLatestRooms: readonly string[];
  /** The transport's `slowReaders.maxBytes`. Default: the transport's default. */
  readonly slowReaderBytes: number | undefined;
}

/**
 * Returns the slow-reader options of the transport, or `undefined` if every room closes slow readers, so that
 * no policy is looked up.
 */
export function slowReadersOf(rules: SlowReaderRules): SlowReaderOptions | undefined {
  const { slowReaderPolicy, slowReaderDropRooms, slowReaderLatestRooms, slowReaderBytes } = rules;
  const byName = [
    ...slowReaderDropRooms.map((prefix) => ({ prefix, policy: "drop" as const })),
    ...slowReaderLatestRooms.map((prefix) => ({ prefix, policy: "latest" as const })),
  ].sort((a, b) => b.prefix.length - a.prefix.length);
  if (slowReaderPolicy === undefined && byName.length === 0) return undefined;
  return {
    policyOf: (room) =>
      askedPolicy(slowReaderPolicy, room) ?? byName.find(({ prefix }) => room.startsWith(prefix))?.policy ?? "close",
    maxBytes: slowReaderBytes,
    keyOf: conflationKeyOf,
  };
}

/**
 * Returns the application's policy for a room. Throws `internal` with the name of the hook, for the log, if the hook
 * throws or returns no policy.
 */
function askedPolicy(hook: SlowReaderRules["slowReaderPolicy"], room: string): SlowReaderPolicy | undefined {
  if (hook === undefined) return undefined;
  const details = { hook: "slowReaderPolicy" };
  let policy: SlowReaderPolicy | undefined;
  try {
    policy = hook(room);
  } catch (cause) {
    throw new CmError("internal", "The hook slowReaderPolicy failed.", { cause, details });
  }
  if (policy === undefined || SLOW_READER_POLICIES.includes(policy)) return policy;
  throw new CmError("internal", "The hook slowReaderPolicy returned no policy.", { details });
}

const TYPE = Buffer.from('"type":"message"');
const DATA = Buffer.from(',"data":');

/**
 * The key under which the latest message of a room is kept: everything between the frame's type and its data,
 * which is the room, the sender and the sender's `key`. A sender therefore can't replace another sender's
 * messages. Quotes within names are escaped, so the first `,"data":` in the frame is the beginning of that
 * field. All frames of the application's own format share one key.
 */
export function conflationKeyOf(frame: Uint8Array): string {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const from = bytes.indexOf(TYPE);
  const to = from === -1 ? -1 : bytes.indexOf(DATA, from);
  return to === -1 ? "" : bytes.toString("latin1", from + TYPE.length, to);
}
