import type { Lease, Link, ServerIncarnation, ServerUpkeep } from "@cm/protocol";

/** What a {@link DeadServerWatch} needs. */
export interface DeadServerWatchOptions {
  readonly servers: Pick<ServerUpkeep, "watch" | "expire">;
  readonly link: Pick<Link, "state">;
  readonly lease: () => Lease;
  /** How long a server must have been silent to be taken for dead, in milliseconds. */
  readonly deadAfterMs: number;
  /** The registry does not hold this server's lease any more. */
  readonly onLost: () => void;
  /** A server is dead, and its lease has ended. */
  readonly onDead: (server: ServerIncarnation) => void;
  /** What kept a silent server from being judged. */
  readonly onError: (cause: unknown) => void;
}

/** Looks within the time after which a server is taken for dead. */
const LOOKS = 5;

/**
 * Others are judged after this server has been in sync for this many times `deadAfterMs`: after a
 * restart or failover of the store all subscriptions are gone at first, and come back one by one.
 */
const STEADY_TIMES = 2;

/**
 * Gives the registry signs of life of this server, and has the leases of servers end that give
 * none and do not listen any more.
 */
export class DeadServerWatch {
  readonly #options: DeadServerWatchOptions;
  readonly #intervalMs: number;
  /** Since when each look found the link in sync and was answered in time, by the monotonic clock. */
  #steadySince: number | undefined;
  #lastLook = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: DeadServerWatchOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(20, Math.floor(options.deadAfterMs / LOOKS));
  }

  start(): void {
    // At once: a server that dies before its first sign of life would keep its id for a whole lease.
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#schedule(this.#intervalMs));
    }, delayMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { servers, lease, deadAfterMs, onLost } = this.#options;
    try {
      const { isHeld, silent } = await servers.watch(lease(), deadAfterMs);
      if (!isHeld) {
        this.#steadySince = undefined;
        if (!this.#isStopped) onLost();
        return;
      }
      if (this.#isSteady()) await this.#judge(silent);
    } catch {
      // The heartbeat tells of a store that does not answer.
      this.#steadySince = undefined;
    }
  }

  /** Whether this server can judge others: it was neither cut off nor paused lately, nor was the store. */
  #isSteady(): boolean {
    const now = performance.now();
    const { link, deadAfterMs } = this.#options;
    const isInTime = now - this.#lastLook < 3 * this.#intervalMs + 1_000;
    this.#lastLook = now;
    if (link.state !== "in-sync" || !isInTime) {
      this.#steadySince = link.state === "in-sync" ? now : undefined;
      return false;
    }
    this.#steadySince ??= now;
    return now - this.#steadySince >= STEADY_TIMES * deadAfterMs;
  }

  async #judge(silent: readonly ServerIncarnation[]): Promise<void> {
    const { servers, deadAfterMs, onDead, onError } = this.#options;
    for (const server of silent) {
      if (this.#isStopped) return;
      try {
        if ((await servers.expire(server, deadAfterMs)) === "expired") onDead(server);
      } catch (cause) {
        onError(cause);
      }
    }
  }
}
