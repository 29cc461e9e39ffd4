import { CmError, type Ref, type Sender } from "@cm/protocol";
import type { ConfirmedOutcome, RouteOutcome, Router } from "@cm/router";
import type { AudienceCharges } from "../../limits/audience-charges.js";
import type { FanOutAccount } from "../../limits/fan-out-budget.js";
import type { DirectTarget } from "../hooks.js";
import type { Permissions } from "../permissions.js";
import type { ClientResponses } from "./client-responses.js";
import { writeData } from "./data-serialization.js";

/** Options of {@link DirectMessages}. */
export interface DirectMessagesOptions {
  readonly from: Sender;
  readonly router: Pick<Router, "toConnection" | "toUser">;
  readonly permissions: Permissions;
  readonly answers: ClientResponses;
  readonly account: FanOutAccount;
  readonly charges: Pick<AudienceCharges, "chargeUser">;
  /** Maximum size of a message's data as it is forwarded, in bytes. */
  readonly maxDataBytes: number;
  readonly isClosed: () => boolean;
}

/** A request to send a message to one connection or one user. */
export interface DirectRequest {
  readonly data: unknown;
  readonly confirm?: boolean | undefined;
  readonly ref?: Ref | undefined;
}

/** How long a `send` with `confirm` waits for the owner of the connection, in milliseconds. */
const CONFIRMATION = { confirmMs: 5_000 };

/**
 * Minimum number of receivers that a message to a user is charged for if the sender must not learn whether the user
 * is online: more than most users have connections. If fewer were charged for a user who is offline, `rate-limited`
 * would come sooner for a user who is online.
 */
const HIDDEN_AUDIENCE_MIN = 10;

/** Sends one client's messages to connections and users, in the client's order. */
export class DirectMessages {
  readonly #options: DirectMessagesOptions;
  /** Settles when the hook has decided about all messages so far. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DirectMessagesOptions) {
    this.#options = options;
  }

  send(to: DirectTarget, { data, confirm = false, ref }: DirectRequest): void {
    const { permissions, answers, from, maxDataBytes, account, charges, isClosed } = this.#options;
    void answers.wait(ref, async () => {
      await this.#permission(to, data);
      if (isClosed()) return;
      const mayKnow = permissions.mayKnowOf(to);
      if ("user" in to) charges.chargeUser(account, to.user, mayKnow ? 0 : HIDDEN_AUDIENCE_MIN);
      else account.pay(1);
      const text = `{"type":"direct","from":${JSON.stringify(from)},"data":${writeData(data, maxDataBytes)}}`;
      // Request no confirmation for a sender that must not learn whether the user is online: it would not get the
      // result, and a confirmation takes longer for a user who is online.
      const outcome = await this.#route(to, Buffer.from(text), confirm && mayKnow);
      if (!mayKnow) answers.ack(ref, { outcome: "sent" });
      else if (outcome === "not-found") throw new CmError("not-found", absenceOf(to));
      else if (outcome === "timeout") throw new CmError("timeout", "The owning server did not answer in time.");
      else answers.ack(ref, { outcome });
    });
  }

  async #permission(to: DirectTarget, data: unknown): Promise<void> {
    const { permissions } = this.#options;
    if (!permissions.asksOnSend) {
      await permissions.send(to, data);
      return;
    }
    const decided = this.#turn.then(() => permissions.send(to, data));
    this.#turn = decided.catch(() => undefined);
    await decided;
  }

  #route(to: DirectTarget, frame: Uint8Array, confirm: boolean): Promise<RouteOutcome | ConfirmedOutcome> {
    const { router } = this.#options;
    if ("user" in to) return confirm ? router.toUser(to.user, frame, CONFIRMATION) : router.toUser(to.user, frame);
    return confirm
      ? router.toConnection(to.connection, frame, CONFIRMATION)
      : router.toConnection(to.connection, frame);
  }
}

function absenceOf(to: DirectTarget): string {
  return "user" in to ? "The user is not online." : "The connection is not there.";
}
