import { CmError, decodeUtf8 } from "@cm/protocol";
import type { RouteRequest } from "@cm/transport";
import type { Revocation } from "../auth/revocations.js";
import { type HttpRoute, jsonReply } from "../http/http-route.js";
import { parseRevocation } from "../questions.js";
import type { Metrics } from "./metrics.js";

/** What is answered on the port for operators. */
export interface AdminSources {
  readonly readiness: () => { readonly ready: boolean };
  readonly statistics: () => unknown;
  readonly metrics: () => Metrics;
  readonly revoke: (revocation: Revocation) => Promise<unknown>;
}

/** Room for a name of 255 bytes, escaped. */
const REVOCATION_MAX_BYTES = 4_096;

/** The table of the port for operators. */
export function adminRoutes({ readiness, statistics, metrics, revoke }: AdminSources): HttpRoute[] {
  return [
    { method: "GET", path: "/healthz", answer: () => jsonReply(200, { status: "ok" }) },
    {
      method: "GET",
      path: "/readyz",
      answer: () => {
        const state = readiness();
        return jsonReply(state.ready ? 200 : 503, state);
      },
    },
    { method: "GET", path: "/stats", answer: () => jsonReply(200, statistics()) },
    {
      method: "GET",
      path: "/metrics",
      answer: async () => {
        const { contentType, text } = metrics();
        return {
          status: 200,
          headers: { "content-type": contentType, "cache-control": "no-store" },
          body: await text(),
        };
      },
    },
    {
      method: "POST",
      path: "/revoke",
      maxBodyBytes: REVOCATION_MAX_BYTES,
      answer: async (request) => jsonReply(200, await revoke(revocationIn(request))),
    },
  ];
}

function revocationIn({ headers, body }: RouteRequest): Revocation {
  // A page of another site can't send this type without asking first, which is refused.
  if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "")) {
    throw new CmError("operation-unknown", "The content type must be application/json.");
  }
  const revocation = parseRevocation(decodeUtf8(body) ?? "");
  if (revocation !== undefined) return revocation;
  throw new CmError("operation-unknown", 'The body must be {"userId":"..."} or {"tokenId":"..."}.');
}
