import { isCmError } from "@cm/protocol";
import type { Authentication, UpgradeRequest } from "@cm/transport";
import type { RecordedMetrics } from "../admin/recorded-metrics.js";
import type { GatewayUser, ResolvedGatewayOptions } from "../gateway-options.js";
import type { ApplicationCalls } from "../session/application-calls.js";
import type { SessionHolder } from "../session/session-handler.js";
import type { Revocations } from "./revocations.js";
import { requireSuccessor } from "./token-replacement.js";

/** Options of {@link ClientAuthentication}. */
export interface ClientAuthenticationOptions extends Pick<ResolvedGatewayOptions, "authenticate" | "refresh"> {
  readonly revocations: Revocations;
  readonly recorded: RecordedMetrics;
  readonly hookCalls: ApplicationCalls;
  /** Receives the causes of failures that the client is not sent. */
  readonly onFault: (error: unknown) => void;
}

type Authenticated = Authentication<SessionHolder>;

/** Authenticates clients when they connect, and when they send another token; counts the tokens that it refuses. */
export class ClientAuthentication {
  /** See `SessionContext.refresh`. */
  readonly refresh: ((token: string, present: GatewayUser) => Promise<GatewayUser>) | undefined;
  readonly #options: ClientAuthenticationOptions;

  constructor(options: ClientAuthenticationOptions) {
    this.#options = options;
    const { refresh } = options;
    this.refresh = refresh && ((token, present) => this.#refresh(() => refresh(token), present));
  }

  /**
   * Returns the user of an upgrade, in the same turn if the application's `authenticate` returned no promise. Throws,
   * or rejects with, the error for the client.
   */
  authenticate(request: UpgradeRequest, signal: AbortSignal): Authenticated | Promise<Authenticated> {
    const { authenticate, recorded } = this.#options;
    let user: ReturnType<typeof authenticate>;
    try {
      user = authenticate(request, signal);
      if (!(user instanceof Promise)) return this.#admitted(user);
    } catch (error) {
      return this.#refuse(error);
    }
    const beganAt = performance.now();
    return user
      .finally(() => recorded.hookTook("authenticate", performance.now() - beganAt))
      .then((late) => this.#admitted(late))
      .catch((error: unknown) => this.#refuse(error));
  }

  async #refresh(verify: () => Promise<GatewayUser>, present: GatewayUser): Promise<GatewayUser> {
    const { hookCalls, revocations } = this.#options;
    try {
      const user = await hookCalls.run("refresh", verify);
      requireSuccessor(user, present);
      return revocations.requireValid(user);
    } catch (error) {
      // The session reports the cause.
      this.#count(error);
      throw error;
    }
  }

  #admitted(user: GatewayUser): Authenticated {
    const { userId } = this.#options.revocations.requireValid(user);
    return { userId, data: { session: undefined, user } };
  }

  #refuse(error: unknown): never {
    // The client is only told to come back later; the operator needs the cause, such as a key server that is down.
    if (isCmError(error) && error.code === "unavailable" && error.cause !== undefined) this.#options.onFault(error);
    this.#count(error);
    throw error;
  }

  #count(error: unknown): void {
    if (!isCmError(error)) return;
    const { recorded } = this.#options;
    const { code, details } = error;
    if (code === "unauthorized" || code === "forbidden") recorded.tokenRefused(details?.reason);
    if (code === "unavailable" || code === "timeout") recorded.tokenRefused("unavailable");
  }
}
