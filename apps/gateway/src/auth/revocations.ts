import { CmError } from "@cm/protocol";
import type { Router } from "@cm/router";
import type { GatewayUser } from "../gateway-options.js";
import { readRevocationAnswer, revocationQuestion } from "../gateway-questions.js";
import { concerns, type Revocation, RevocationList } from "./revocation-list.js";

/** The result of a revocation. */
export interface RevocationOutcome {
  /** Number of connections that were closed. */
  readonly closed: number;
  /** Ids of living servers that did not confirm the revocation. */
  readonly missing: readonly string[];
}

/** A session that can be closed because of its credential. */
interface Revocable {
  /** Closes the session if its credential was revoked. Returns whether it was closed. */
  closeIf(isRevoked: (user: GatewayUser) => boolean): boolean;
}

/** How long a revocation waits for the other gateways, in milliseconds. */
const REVOKE_TIMEOUT_MS = 5_000;

/** Applies revocations to the sessions of this server, and to the users that connect later. */
export class Revocations {
  readonly #list: RevocationList;
  /** A plain set is enough: each revocation iterates over all sessions, but revocations are rare. */
  readonly #sessions = new Set<Revocable>();

  /** `now` returns milliseconds since the Unix epoch. */
  constructor(now: () => number) {
    this.#list = new RevocationList(now);
  }

  /** Closes the session if its credential is revoked later, or was revoked after it had been checked. */
  watch(session: Revocable): void {
    this.#sessions.add(session);
    session.closeIf((user) => this.#list.isRevoked(user));
  }

  /** Must be called when a watched session has closed. */
  unwatch(session: Revocable): void {
    this.#sessions.delete(session);
  }

  /** Returns a user whose credential was not revoked. Throws `unauthorized` for any other user. */
  requireValid(user: GatewayUser): GatewayUser {
    if (!this.#list.isRevoked(user)) return user;
    throw new CmError("unauthorized", "The credentials were revoked.", { details: { reason: "revoked" } });
  }

  /** Applies a revocation on this server only. Returns the number of connections that were closed. */
  applyHere(revocation: Revocation): number {
    this.#list.add(revocation);
    let closed = 0;
    for (const session of this.#sessions) if (session.closeIf((user) => concerns(revocation, user))) closed++;
    return closed;
  }

  /** Applies a revocation on every gateway of the cluster, on this one at once. Rejects as {@link Router.ask}. */
  async applyEverywhere(revocation: Revocation, router: Pick<Router, "ask">): Promise<RevocationOutcome> {
    const question = revocationQuestion(revocation);
    const closed = this.applyHere(revocation);
    const { answers, missing } = await router.ask(question, { timeoutMs: REVOKE_TIMEOUT_MS });
    const elsewhere = [...answers.values()].map(readRevocationAnswer);
    return { closed: elsewhere.reduce((sum, count) => sum + count, closed), missing };
  }
}
