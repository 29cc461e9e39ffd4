/** Number of messages within {@link KEPT_MS} after which an audience's size is read from the store. */
const READ_AFTER = 10;

/** Time for which a size that was read is used, in milliseconds. */
const KEPT_MS = 1_000;

/** Maximum number of audiences that are tracked; beyond it, the least recently used one is forgotten. */
const AUDIENCES_MAX = 10_000;

interface Audience {
  size: number;
  messages: number;
  since: number;
}

/**
 * The number of receivers, on all servers, of messages to rooms or to users. A size is read from the store at
 * most once a second and only if messages are frequent: messages to a quiet audience cause no reads.
 */
export class AudienceSizes {
  readonly #read: (name: string) => Promise<number>;
  readonly #monotonicMs: () => number;
  /** The audiences by name, the least recently used one first. */
  readonly #audiences = new Map<string, Audience>();

  constructor(read: (name: string) => Promise<number>, monotonicMs: () => number) {
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Returns the audience's size as far as it is known, at least `local`. Call this once per message, before the
   * message is sent.
   */
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
      // Forget the size if there were few messages, because it is then not read again and becomes outdated.
      if (audience.messages < READ_AFTER) audience.size = 0;
      audience.messages = 1;
      audience.since = now;
    } else if (audience.messages === READ_AFTER) {
      const known = audience;
      this.#read(name).then(
        (size) => {
          known.size = size;
        },
        // Ignore a failed read: the size stays as it was, and the message itself fails if the store is
        // unavailable.
        () => undefined,
      );
    }
    return Math.max(local, audience.size);
  }
}
