import type { Lease, Link, ServerIncarnation, ServerUpkeep } from "@cm/protocol";

/** Options of {@link DeadServerWatch}. */
export interface DeadServerWatchOptions {
  readonly servers: Pick<ServerUpkeep, "watch" | "expire">;
  readonly link: Pick<Link, "state">;
  /** Returns the lease, or `undefined` while it is not held or not everything is written under it. */
  readonly lease: () => Lease | undefined;
  /** Whether some servers have not sent a sign of life again since the store lost its data. */
  readonly areMissing: () => boolean;
  /** How long a server must have sent no sign of life to be presumed dead, in milliseconds. */
  readonly deadAfterMs: number;
  /** Called after each of this server's signs of life with the number of servers that send signs of life. */
  readonly onCounted: (speaking: number) => void;
  /** Called if the registry no longer holds this server's lease. */
  readonly onLost: () => void;
  /** Called for a server that is dead and whose lease was ended. */
  readonly onDead: (server: ServerIncarnation) => void;
  /** Called with the error if checking whether a silent server is dead failed. */
  readonly onError: (cause: unknown) => void;
}

/** Number of signs of life that this server sends per `deadAfterMs`; each also returns the silent servers. */
const LOOKS = 5;

/**
 * A server ends the leases of others only after it has been in sync for this many times `deadAfterMs`: after
 * a restart or failover of the store, all subscriptions are lost at first and are restored one by one.
 */
const STEADY_TIMES = 2;

/**
 * Detects dead servers before their leases expire. Sends this server's signs of life, which are more frequent than
 * heartbeats and do not renew the lease, and ends the lease of a server that has sent none for `deadAfterMs` and no
 * longer subscribes to its own channel.
 */
export class DeadServerWatch {
  readonly #options: DeadServerWatchOptions;
  readonly #intervalMs: number;
  /**
   * Monotonic time since which, each time that this server looked for silent servers, the link was in sync and the
   * result arrived in time; `undefined` if that was not so at the last look.
   */
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
    // Send a sign of life at once: a server that dies before its first one is found only when its lease ends.
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
      this.#looking = this.#look().finally(() => this.#schedule(this.#delayMs));
    }, delayMs);
    this.#timer.unref();
  }

  /**
   * Delay until the next sign of life. It is shorter after the store lost its data, until this server and the
   * others have returned, because requests for rosters fail until then.
   */
  get #delayMs(): number {
    const { lease, areMissing } = this.#options;
    return lease() === undefined || areMissing() ? Math.ceil(this.#intervalMs / LOOKS) : this.#intervalMs;
  }

  async #look(): Promise<void> {
    const { servers, lease, deadAfterMs, onCounted, onLost } = this.#options;
    try {
      const held = lease();
      // A sign of life says that all entries of this server are in the store, so do not send one before they are.
      if (held === undefined) return;
      const { isHeld, speaking, silent } = await servers.watch(held, deadAfterMs);
      if (!isHeld) {
        this.#steadySince = undefined;
        if (!this.#isStopped) onLost();
        return;
      }
      onCounted(speaking);
      if (this.#isSteady()) await this.#judge(silent);
    } catch {
      // The error is not reported here: if the store is unreachable, the heartbeat reports it.
      this.#steadySince = undefined;
    }
  }

  /**
   * Whether this server can determine that others are dead: neither this server nor the store was recently
   * disconnected or paused.
   */
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
