import { CmError, type Result } from "./errors.js";

/**
 * A server id: 1 to 64 characters of `A-Z a-z 0-9 _ -`. It stands in keys, channel
 * names and in front of every connection id, so it has no dot, brace or colon.
 */
const SERVER_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** `server.` + four characters of incarnation + one of shelf bits + a base-36 counter. */
const CONNECTION_ID = /^([A-Za-z0-9_-]{1,64})\.([a-z0-9]{4})([a-g0-9])([a-z0-9]{1,11})$/;

const INCARNATION = /^[a-z0-9]{4}$/;

/** The longest connection id, in characters (all ASCII). */
export const CONNECTION_ID_MAX_LENGTH = 64 + 1 + 4 + 1 + 11;

/** The most shelf bits that a connection id can name: 2^16 shelves. */
export const SHELF_BITS_MAX = 16;

/**
 * What a connection id says. The owner stands in it, so a message to a connection
 * needs no look-up; the shelf says in which of its owner's hashes the record lies.
 */
export interface ConnectionIdParts {
  /** The owner: the server that holds the connection's socket. */
  readonly serverId: string;
  /** Four characters drawn when the process started: ids do not repeat across restarts. */
  readonly incarnation: string;
  /** The owner keeps its records on `2 ** shelfBits` shelves. */
  readonly shelfBits: number;
  /** `counter mod 2 ** shelfBits`. */
  readonly shelf: number;
  /** The id's number: a sequence in its low 24 bits, random bits above. */
  readonly counter: number;
}

/** Whether a string can be a server id. */
export function isServerId(value: unknown): value is string {
  return typeof value === "string" && SERVER_ID.test(value);
}

/** A server id as it is, or `id-invalid` thrown. */
export function requireServerId(value: unknown): string {
  if (!isServerId(value)) {
    throw new CmError("id-invalid", "A server id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -.");
  }
  return value;
}

/** Takes a connection id apart; `id-invalid` where it is none. */
export function parseConnectionId(value: unknown): Result<ConnectionIdParts> {
  const match = typeof value === "string" ? CONNECTION_ID.exec(value) : null;
  if (match !== null) {
    const [, serverId = "", incarnation = "", bits = "", count = ""] = match;
    const counter = Number.parseInt(count, 36);
    const shelfBits = Number.parseInt(bits, 36);
    // One spelling an id: a leading zero or an unsafe counter would alias another.
    if (Number.isSafeInteger(counter) && counter.toString(36) === count) {
      return { ok: true, value: { serverId, incarnation, shelfBits, shelf: counter % 2 ** shelfBits, counter } };
    }
  }
  return {
    ok: false,
    error: new CmError(
      "id-invalid",
      "This is not a connection id: ids come from nextConnectionId() or registerConnection().",
    ),
  };
}

/** {@link parseConnectionId}, throwing its error. */
export function requireConnectionId(value: unknown): ConnectionIdParts {
  const result = parseConnectionId(value);
  if (!result.ok) throw result.error;
  return result.value;
}

/** The server that holds a connection's socket; `undefined` where the id is none. */
export function ownerOf(connectionId: string): string | undefined {
  const parsed = parseConnectionId(connectionId);
  return parsed.ok ? parsed.value.serverId : undefined;
}

/** Where connection ids come from. */
export interface ConnectionIdSource {
  /** The server that the ids begin with. */
  readonly serverId: string;
  /** Four characters of `a-z 0-9` that tell this life of the server from others. */
  readonly incarnation: string;
  /** Records are kept on `2 ** shelfBits` shelves. */
  readonly shelfBits: number;
  /**
   * The next id. The sequence tells apart 2^24 in a row; of those that lie as far apart, two
   * are the same once in 2^29 times.
   */
  next(): string;
}

/** What {@link createConnectionIdSource} needs. */
export interface ConnectionIdSourceOptions {
  /** The server that the ids begin with; see {@link isServerId}. */
  readonly serverId: string;
  /** Four characters of `a-z 0-9`; see {@link randomBase36}. Default: random. */
  readonly incarnation?: string | undefined;
  /**
   * How many connections the server is made for. Records are spread so that a shelf
   * holds about 64 at that number, which keeps Redis's small-hash encoding.
   * Default 10,000.
   */
  readonly capacity?: number | undefined;
}

const RECORDS_PER_SHELF = 64;

/**
 * The low bits of a counter are a sequence, which spreads records over shelves; the high ones are
 * random, so that the ids of others can't be found by counting. Together they fill a safe integer.
 */
const SEQUENCE_BITS = 24;
const RANDOM_BITS = 29;

/** Each call for random numbers costs more than the numbers. */
const DRAWS_AT_ONCE = 256;

/** Makes the ids of one server process. Throws `id-invalid` or `options-invalid`. */
export function createConnectionIdSource(options: ConnectionIdSourceOptions): ConnectionIdSource {
  const serverId = requireServerId(options.serverId);
  const incarnation = options.incarnation ?? randomBase36(4);
  if (!INCARNATION.test(incarnation)) {
    throw new CmError("id-invalid", "An incarnation is four characters of a-z and 0-9.");
  }
  const capacity = options.capacity ?? 10_000;
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new CmError("options-invalid", "capacity must be a whole number of at least 1.");
  }
  const shelfBits = Math.min(SHELF_BITS_MAX, Math.max(0, Math.ceil(Math.log2(capacity / RECORDS_PER_SHELF))));
  const head = `${serverId}.${incarnation}${shelfBits.toString(36)}`;
  const draws = new Uint32Array(DRAWS_AT_ONCE);
  let drawn = draws.length;
  let sequence = 0;
  const next = (): string => {
    if (drawn === draws.length) {
      crypto.getRandomValues(draws);
      drawn = 0;
    }
    const random = (draws[drawn++] ?? 0) >>> (32 - RANDOM_BITS);
    const counter = random * 2 ** SEQUENCE_BITS + sequence;
    sequence = (sequence + 1) % 2 ** SEQUENCE_BITS;
    return head + counter.toString(36);
  };
  return { serverId, incarnation, shelfBits, next };
}

/** Random characters of `a-z 0-9`, from the platform's cryptographic source. */
export function randomBase36(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      // 252 is the largest multiple of 36 in a byte; above it the draw would lean.
      if (byte < 252 && text.length < length) text += (byte % 36).toString(36);
    }
  }
  return text;
}
