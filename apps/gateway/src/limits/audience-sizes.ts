/** How large an audience may become known only after this many messages within {@link KEPT_MS}. */
const READ_AFTER = 10;

/** How long a size that was read holds. */
const KEPT_MS = 1_000;

/** Audiences that are followed; beyond it, the one that was quiet for longest is forgotten. */
const AUDIENCES_MAX = 10_000;

interface Audience {
  size: number;
  messages: number;
  since: number;
}

/**
 * How many receivers the messages to rooms, or to users, have on all servers. The size is read
 * from the store, at most once a second and only where messages are frequent: those to a quiet
 * audience cost no read.
 */
export class AudienceSizes {
  readonly #read: (name: string) => Promise<number>;
  readonly #monotonicMs: () => number;
  /** Least recently used first. */
  readonly #audiences = new Map<string, Audience>();

  constructor(read: (name: string) => Promise<number>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /** The size as far as it is known, at least `local`, for a message that is about to be sent. */
  of(name: string, local: number): number {
    const now = this.#monotonicMs();
    let audience = this.#audiences.get(name);
    if (audience === undefined) {
      audience = { size: 0, messages: 0, since: now };
      if (this.#audiences.size >= AUDIENCES_MAX) {
        const [oldest] = this.#audiences.keys();
        if (oldest !== undefined) this.#audiences.delete(oldest);
      }
    } else {
      this.#audiences.delete(name);
    }
    this.#audiences.set(name, audience);
    audience.messages++;
    if (now - audience.since > KEPT_MS) {
      // Quiet: what was known is old.
      if (audience.messages < READ_AFTER) audience.size = 0;
      audience.messages = 1;
      audience.since = now;
    } else if (audience.messages === READ_AFTER) {
      const known = audience;
      this.#read(name).then(
        (size) => {
          known.size = size;
        },
        // It counts as far as it is known; the message itself fails where the store is gone.
        () => undefined,
      );
    }
    return Math.max(local, audience.size);
  }
}
