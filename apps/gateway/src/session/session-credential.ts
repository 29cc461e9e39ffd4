import { CmError, type Ref } from "@cm/protocol";
import type { GatewayUser } from "../gateway-options.js";
import { CredentialExpiry, remainingMs } from "./credential-expiry.js";
import type { ClientResponses } from "./messages/client-responses.js";
import type { SessionContext } from "./session-context.js";

/** Options of {@link SessionCredential}. */
export interface SessionCredentialOptions {
  readonly context: Pick<SessionContext, "refresh" | "credentialTimes" | "now">;
  readonly answers: ClientResponses;
  /** Returns the user of the present credential. */
  readonly user: () => GatewayUser;
  /** Applies the user and rights of a new token. */
  readonly take: (user: GatewayUser) => Promise<void>;
  /** Called when the credential has expired, and the grace period after its expiry is over. */
  readonly expired: () => void;
}

/** The credential of one connection: its expiry, and the tokens with which the client replaces it. */
export class SessionCredential {
  readonly #options: SessionCredentialOptions;
  readonly #expiry: CredentialExpiry;
  /**
   * Settles when all tokens that the client has sent so far have been accepted or refused. Tokens are handled
   * in order, so that the last one applies. `undefined` before the first token.
   */
  #turn: Promise<unknown> | undefined;

  constructor(options: SessionCredentialOptions) {
    const { context, answers, expired } = options;
    this.#options = options;
    this.#expiry = new CredentialExpiry(
      { expiring: (expiresInMs) => answers.send({ type: "token-expiring", expiresInMs }, undefined), expired },
      context.credentialTimes,
      context.now,
    );
  }

  /** See {@link CredentialExpiry.watch}. */
  watch(expiresAtMs: number | undefined): void {
    this.#expiry.watch(expiresAtMs);
  }

  /** Handles a token that the client sent. */
  refresh({ token, ref }: { readonly token: string; readonly ref?: Ref | undefined }): void {
    const { context, answers, user, take } = this.#options;
    const { refresh, now } = context;
    void answers.wait(ref, async () => {
      if (refresh === undefined) throw new CmError("operation-unknown", "This server does not accept tokens.");
      const before = this.#turn ?? Promise.resolve();
      const taken = before.then(async () => take(await refresh(token, user())));
      this.#turn = taken.catch(() => undefined);
      await taken;
      const { expiresAtMs } = user();
      answers.ack(ref, expiresAtMs === undefined ? {} : { expiresInMs: remainingMs(expiresAtMs, now()) });
    });
  }
}
