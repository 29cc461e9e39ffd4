import type { GatewayUser } from "../gateway-options.js";

/** Whose credentials do not count any more: all that a user has by now, or a single token. */
export type Revocation = { readonly userId: string } | { readonly tokenId: string };

/** The most revocations that are remembered; beyond that the oldest are forgotten. */
const REVOCATIONS_MAX = 100_000;

/** How long a revocation is remembered, in milliseconds: longer than tokens should live. */
const REVOCATION_TTL_MS = 86_400_000;

/** The revocations that this server has heard of. */
export class Revocations {
  /** When each was revoked, in milliseconds since the Unix epoch; the oldest first. */
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

  /** A user's token that was issued after the revocation counts again; one that does not say when it was issued does not. */
  isRevoked({ userId, tokenId, issuedAtMs }: Pick<GatewayUser, "userId" | "tokenId" | "issuedAtMs">): boolean {
    if (tokenId !== undefined && this.#at(this.#tokens, tokenId) !== undefined) return true;
    const revokedAt = this.#at(this.#users, userId);
    // `iat` is in whole seconds: one of the same second may be older than the revocation.
    return revokedAt !== undefined && (issuedAtMs ?? 0) <= revokedAt;
  }

  #at(revoked: Map<string, number>, id: string): number | undefined {
    const at = revoked.get(id);
    if (at === undefined || this.#now() - at <= REVOCATION_TTL_MS) return at;
    revoked.delete(id);
    return undefined;
  }

  #remember(revoked: Map<string, number>, id: string): void {
    // Behind the others, for the order is that of their times.
    revoked.delete(id);
    revoked.set(id, this.#now());
    if (revoked.size <= REVOCATIONS_MAX) return;
    const [oldest] = revoked.keys();
    if (oldest !== undefined) revoked.delete(oldest);
  }
}

/** Whether a revocation is about this user. */
export function concerns(revocation: Revocation, user: Pick<GatewayUser, "userId" | "tokenId">): boolean {
  return "userId" in revocation ? revocation.userId === user.userId : revocation.tokenId === user.tokenId;
}
