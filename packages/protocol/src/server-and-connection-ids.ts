import type { ServerIncarnation } from "./contracts/leases-and-claims.js";
import { CmError, type Result } from "./errors.js";
import { requireOptions, requireWholeNumber } from "./options/option-checks.js";

/**
 * A server id: 1 to 64 characters of `A-Z a-z 0-9 _ -`. It is part of keys, of channel names and of
 * every connection id, so it must not contain a dot, brace or colon.
 */
const SERVER_ID = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * `<server>.`, four characters of incarnation, one of partition bits, and a counter in base 36. With leading
 * zeros, two strings would mean the same connection.
 */
const CONNECTION_ID = /^([A-Za-z0-9_-]{1,64})\.([a-z0-9]{4})([a-g0-9])(0|[a-z1-9][a-z0-9]{0,10})$/;

const INCARNATION = /^[a-z0-9]{4}$/;

const HOLDER = /^[A-Za-z0-9_-]{1,64}\.[a-z0-9]{4}$/;

/** The maximum length of a connection id, in characters (all ASCII). */
export const CONNECTION_ID_MAX_LENGTH = 64 + 1 + 4 + 1 + 11;

/** The maximum number of partition bits in a connection id: 2^16 record partitions. */
export const PARTITION_BITS_MAX = 16;

/**
 * The parts of a connection id. The id contains the owner, so that a message to a connection needs no
 * look-up, and the record partition, so that the connection's record is found by the id alone.
 */
export interface ConnectionIdParts {
  /** The owner: the server that holds the connection's socket. */
  readonly serverId: string;
  /** Four characters drawn when the process started, so that ids do not repeat across restarts. */
  readonly incarnation: string;
  /** The owner's records are stored in `2 ** partitionBits` record partitions. */
  readonly partitionBits: number;
  /** The record partition of the connection's record: `counter mod 2 ** partitionBits`. */
  readonly recordPartition: number;
  /** The number in the id: a sequence in its low 24 bits, random bits above. */
  readonly counter: number;
}

/** Whether a value is a valid server id. */
export function isServerId(value: unknown): value is string {
  return typeof value === "string" && SERVER_ID.test(value);
}

/** Returns a valid server id unchanged. Throws `id-invalid` for any other value. */
export function requireServerId(value: unknown): string {
  if (!isServerId(value)) {
    throw new CmError("id-invalid", "A server id must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -.");
  }
  return value;
}

/**
 * The name of an incarnation as the holder of a lease: `<server id>.<incarnation>`, with which its connection ids
 * begin. Server ids contain no dot, so two incarnations never share a name.
 */
export function holderName({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}

/** Whether a text is the name of a holder; see {@link holderName}. */
export function isHolder(text: string): boolean {
  return HOLDER.test(text);
}

/** Parses a name made by {@link holderName}; any other text gives an incarnation that does not exist. */
export function readHolder(holder: string): ServerIncarnation {
  const dot = holder.indexOf(".");
  return { serverId: holder.slice(0, dot), incarnation: holder.slice(dot + 1) };
}

/** Parses a connection id. Returns `id-invalid` if the value is not a valid connection id. */
export function parseConnectionId(value: unknown): Result<ConnectionIdParts> {
  const match = typeof value === "string" ? CONNECTION_ID.exec(value) : null;
  if (match !== null) {
    const [, serverId = "", incarnation = "", bits = "", count = ""] = match;
    const counter = Number.parseInt(count, 36);
    const partitionBits = Number.parseInt(bits, 36);
    // Beyond the safe integers, two strings would have the same counter.
    if (Number.isSafeInteger(counter)) {
      return {
        ok: true,
        value: { serverId, incarnation, partitionBits, recordPartition: counter % 2 ** partitionBits, counter },
      };
    }
  }
  return {
    ok: false,
    error: new CmError(
      "id-invalid",
      "This is not a connection id. Use an id from nextConnectionId() or registerConnection().",
    ),
  };
}

/** Like {@link parseConnectionId}, but throws the error. */
export function requireConnectionId(value: unknown): ConnectionIdParts {
  const result = parseConnectionId(value);
  if (!result.ok) throw result.error;
  return result.value;
}

/** Returns the server that holds a connection's socket; `undefined` if the id is not a valid connection id. */
export function ownerOf(connectionId: string): string | undefined {
  const parsed = parseConnectionId(connectionId);
  return parsed.ok ? parsed.value.serverId : undefined;
}

/** Generates connection ids. */
export interface ConnectionIdSource {
  /** The id of the server, with which the connection ids begin. */
  readonly serverId: string;
  /** Four characters of `a-z 0-9` that distinguish this incarnation of the server from others. */
  readonly incarnation: string;
  /** The server's connection records are stored in `2 ** partitionBits` record partitions. */
  readonly partitionBits: number;
  /**
   * Returns the next id. Within 2^24 consecutive ids, no two are equal, because the sequence differs.
   * Two ids that are 2^24 apart are equal with a probability of 1 in 2^29.
   */
  next(): string;
}

/** Options of {@link createConnectionIdSource}. */
export interface ConnectionIdSourceOptions {
  /** The id of the server, with which the connection ids begin; see {@link isServerId}. */
  readonly serverId: string;
  /** Four characters of `a-z 0-9`; see {@link randomBase36}. Default: random. */
  readonly incarnation?: string | undefined;
  /**
   * The number of connections that the server is designed for; an integer of at least 1. There are as many
   * record partitions as are needed for at most 64 records each at that number (more beyond 4,194,304
   * connections), for which Redis uses its compact encoding of small hashes. Default 10,000.
   */
  readonly capacity?: number | undefined;
}

const RECORDS_PER_PARTITION = 64;

/**
 * The low bits of a counter are a sequence, which spreads records evenly over record partitions. The high bits are
 * random, so that a client can't guess other clients' ids by counting. Sequence and random bits together fill
 * a safe integer.
 */
const SEQUENCE_BITS = 24;
const RANDOM_BITS = 29;

/** Random numbers are drawn in batches, because a call costs more than the numbers. */
const DRAWS_AT_ONCE = 256;

const KNOWN: Readonly<Record<keyof ConnectionIdSourceOptions, true>> = {
  serverId: true,
  incarnation: true,
  capacity: true,
};

/**
 * Creates the source of connection ids of one server process. Throws `id-invalid` or `options-invalid`, with the
 * option's name in `details.field`.
 */
export function createConnectionIdSource(options: ConnectionIdSourceOptions): ConnectionIdSource {
  const { serverId, incarnation = randomBase36(4), capacity = 10_000 } = requireOptions(options, KNOWN);
  if (!isServerId(serverId)) {
    throw new CmError("id-invalid", "serverId must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -.", {
      details: { field: "serverId" },
    });
  }
  if (typeof incarnation !== "string" || !INCARNATION.test(incarnation)) {
    throw new CmError("id-invalid", "incarnation must be four characters of a-z and 0-9.", {
      details: { field: "incarnation" },
    });
  }
  requireWholeNumber("capacity", capacity, { min: 1, max: Number.MAX_SAFE_INTEGER });
  const partitionBits = Math.min(
    PARTITION_BITS_MAX,
    Math.max(0, Math.ceil(Math.log2(capacity / RECORDS_PER_PARTITION))),
  );
  const head = `${holderName({ serverId, incarnation })}${partitionBits.toString(36)}`;
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
    // V8 stores the result of `join` in one piece, and not as a chain of two parts.
    return [head, counter.toString(36)].join("");
  };
  return { serverId, incarnation, partitionBits, next };
}

/** Returns random characters of `a-z 0-9`, from the platform's cryptographic random source. */
export function randomBase36(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      // Discard bytes from 252 on: 252 is the largest multiple of 36 that fits in a byte, and larger bytes
      // would make the first characters more likely.
      if (byte < 252 && text.length < length) text += (byte % 36).toString(36);
    }
  }
  return text;
}
