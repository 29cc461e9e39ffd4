import type { ReapClaim, ServerUpkeep } from "@cm/protocol";

/** Options of {@link HeldClaim}. */
export interface HeldClaimOptions {
  readonly servers: Pick<ServerUpkeep, "claim">;
  readonly claimant: string;
  /** Duration of a claim, in milliseconds. */
  readonly claimMs: number;
}

/** A claim that the store granted. */
export interface GivenClaim {
  readonly claim: ReapClaim;
  /** Earliest end of the claim, by the monotonic clock: writes under the claim may have no effect from then on. */
  readonly endsAtMs: number;
}

/** A claim on a dead server, extended for as long as it is used. */
export class HeldClaim {
  readonly #options: HeldClaimOptions;
  #given: GivenClaim;
  #extending: Promise<GivenClaim | undefined> | undefined;
  #isLost = false;

  private constructor(options: HeldClaimOptions, given: GivenClaim) {
    this.#options = options;
    this.#given = given;
  }

  /** Claims a dead server. Resolves with `undefined` if the server cannot be claimed. */
  static async take(serverId: string, options: HeldClaimOptions): Promise<HeldClaim | undefined> {
    const given = await claimOf(serverId, options);
    return given && new HeldClaim(options, given);
  }

  /** The dead server. */
  get serverId(): string {
    return this.#given.claim.serverId;
  }

  get recordPartitions(): number {
    return 2 ** this.#given.claim.partitionBits;
  }

  /**
   * Resolves with the claim, extended if less than two thirds of its time are left, or with `undefined` if
   * another reaper has claimed the server or has finished the cleanup.
   */
  async current(): Promise<GivenClaim | undefined> {
    const leftMs = this.#given.endsAtMs - performance.now();
    return !this.#isLost && leftMs > (2 / 3) * this.#options.claimMs ? this.#given : this.extended();
  }

  /** Like {@link current}, but always extends the claim. */
  extended(): Promise<GivenClaim | undefined> {
    this.#extending ??= this.#extend().finally(() => {
      this.#extending = undefined;
    });
    return this.#extending;
  }

  async #extend(): Promise<GivenClaim | undefined> {
    if (this.#isLost) return undefined;
    const { serverId, incarnation } = this.#given.claim;
    const given = await claimOf(serverId, this.#options);
    // The store may have granted a claim on another incarnation, which has also died. Its cleanup must start at the
    // first record partition, so this claim counts as lost.
    if (given?.claim.incarnation !== incarnation) {
      this.#isLost = true;
      return undefined;
    }
    this.#given = given;
    return given;
  }
}

async function claimOf(
  serverId: string,
  { servers, claimant, claimMs }: HeldClaimOptions,
): Promise<GivenClaim | undefined> {
  const askedAtMs = performance.now();
  const claim = await servers.claim({ serverId }, claimant, claimMs);
  return claim && { claim, endsAtMs: askedAtMs + claimMs };
}
