import { CmError } from "@cm/protocol";
import type { GatewayUser } from "../gateway-options.js";

type Issued = Pick<GatewayUser, "userId" | "issuedAtMs">;

/**
 * Checks that the token that a connected client sends may replace its present one. Throws `forbidden` with
 * the reason `another-user`, and `unauthorized` with the reason `replayed` if the token was issued before the present
 * one: with an older token the client would get back rights that were taken away since. A token without an issue time
 * counts as older than one with such a time.
 */
export function requireSuccessor(next: Issued, present: Issued): void {
  if (next.userId !== present.userId) {
    throw new CmError("forbidden", "The token belongs to another user.", { details: { reason: "another-user" } });
  }
  if (present.issuedAtMs === undefined) return;
  // `iat` often has a resolution of one second, so a token that was issued in the same second is accepted.
  if (next.issuedAtMs !== undefined && next.issuedAtMs >= present.issuedAtMs) return;
  throw new CmError("unauthorized", "The token was issued before the connection's present one.", {
    details: { reason: "replayed" },
  });
}
