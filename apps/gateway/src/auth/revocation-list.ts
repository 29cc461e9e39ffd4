import type { GatewayUser } from "../gateway-options.js";

/** The credentials to revoke: all tokens issued to a user so far, or a single token. */
export type Revocation = { readonly userId: string } | { readonly tokenId: string };

/**
 * Maximum number of revoked users, and of revoked tokens, that are remembered; beyond it the oldest revocation is
 * forgotten.
 */
const REVOCATIONS_MAX = 100_000;

/** How long a revocation is remembered, in milliseconds. Tokens should expire sooner than this. */
const REVOCATION_TTL_MS = 86_400_000;

/** The revocations that this server has received. */
export class RevocationList {
  /** The time of each revocation by user id, in milliseconds since the Unix epoch, oldest first. */
  readonly #users = new Map<string, number>();
  readonly #tokens = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(revocation: Revocation): void {
    if ("userId" in revocation) this.#remember(this.#users, revocation.userId);
    else this.#remember(this.#tokens, revocation.tokenId);
  }

  /**
   * Whether the token was revoked. A token of a revoked user is still valid if it was issued after the
   * revocation. Without an issue time it counts as revoked.
   */
  isRevoked({ userId, tokenId, issuedAtMs }: Pick<GatewayUser, "userId" | "tokenId" | "issuedAtMs">): boolean {
    if (tokenId !== undefined && this.#at(this.#tokens, tokenId) !== undefined) return true;
    const revokedAt = this.#at(this.#users, userId);
    // `iat` has a resolution of one second, so a token issued in the same second may predate the revocation.
    return revokedAt !== undefined && (issuedAtMs ?? 0) <= revokedAt;
  }

  #at(revoked: Map<string, number>, id: string): number | undefined {
    const at = revoked.get(id);
    if (at === undefined || this.#now() - at <= REVOCATION_TTL_MS) return at;
    revoked.delete(id);
    return undefined;
  }

  #remember(revoked: Map<string, number>, id: string): void {
    // Delete the entry first, so that it moves to the end: the map is ordered by time of revocation.
    revoked.delete(id);
    revoked.set(id, this.#now());
    if (revoked.size <= REVOCATIONS_MAX) return;
    const [oldest] = revoked.keys();
    if (oldest !== undefined) revoked.delete(oldest);
  }
}

/** Whether a revocation applies to this user. */
export function concerns(revocation: Revocation, user: Pick<GatewayUser, "userId" | "tokenId">): boolean {
  return "userId" in revocation ? revocation.userId === user.userId : revocation.tokenId === user.tokenId;
}
