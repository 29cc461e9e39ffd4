import type { ReapClaim, ServerUpkeep } from "@cm/protocol";

/** What a {@link HeldClaim} needs. */
export interface HeldClaimOptions {
  readonly servers: Pick<ServerUpkeep, "claim">;
  readonly claimant: string;
  /** How long a claim lasts, in milliseconds. */
  readonly claimMs: number;
}

/** A claim as it was given. */
export interface GivenClaim {
  readonly claim: ReapClaim;
  /** When it ends at the earliest, by the monotonic clock: nothing that is written with it later has an effect. */
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

  /** `undefined` where the server can't be claimed. */
  static async take(serverId: string, options: HeldClaimOptions): Promise<HeldClaim | undefined> {
    const given = await claimOf(serverId, options);
    return given && new HeldClaim(options, given);
  }

  get shelves(): number {
    return 2 ** this.#given.claim.shelfBits;
  }

  /** The claim, with at least two thirds of its time left; `undefined` where another one has it, or is done already. */
  async current(): Promise<GivenClaim | undefined> {
    const leftMs = this.#given.endsAtMs - performance.now();
    return !this.#isLost && leftMs > (2 / 3) * this.#options.claimMs ? this.#given : this.extended();
  }

  /** As {@link current}, with all of its time left. */
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
    // Of another incarnation, which died meanwhile, the shelves from the first on are to be done.
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
