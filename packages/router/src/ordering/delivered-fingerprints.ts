/** Number of a room's latest messages whose fingerprints are remembered. They use about 800 bytes per room. */
const COUNT = 64;

/** Remembers which messages were delivered under the latest offsets of a history. */
export class DeliveredFingerprints {
  readonly #offsets = new Float64Array(COUNT);
  readonly #ids = new Uint32Array(COUNT);
  #latest = 0;

  add(offset: number, id: number): void {
    const place = offset % COUNT;
    this.#offsets[place] = offset;
    this.#ids[place] = id;
    this.#latest = offset;
  }

  /** Whether this message was delivered under this offset; `undefined` if the offset is no longer remembered. */
  isSame(offset: number, id: number): boolean | undefined {
    const place = offset % COUNT;
    if (offset === 0 || this.#offsets[place] !== offset) return undefined;
    return this.#ids[place] === id;
  }

  /** The lowest offset that may still be remembered; 0 if none is. */
  get oldest(): number {
    return this.#latest === 0 ? 0 : Math.max(1, this.#latest - COUNT + 1);
  }

  clear(): void {
    this.#offsets.fill(0);
    this.#latest = 0;
  }
}

/**
 * Returns a 32-bit fingerprint of a message: two messages of a room share one with a chance of 1 in 4
 * billion.
 */
export function messageId(origin: number, epoch: number, sequence: number): number {
  const hash = Math.imul(epoch ^ origin, 0x85ebca6b) ^ Math.imul(sequence, 0xc2b2ae35);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Returns a hash of a server id: the `origin` argument of {@link messageId}. Compute it once per server. */
export function originHash(serverId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < serverId.length; i++) hash = Math.imul(hash ^ serverId.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
