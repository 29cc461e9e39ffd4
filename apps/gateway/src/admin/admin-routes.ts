import { CmError, decodeUtf8 } from "@cm/protocol";
import type { Route, RouteHandler, RouteRequest } from "@cm/transport";
import type { Revocation } from "../auth/revocation-list.js";
import { parseRevocation } from "../gateway-questions.js";
import { healthRoutes } from "../http/health-routes.js";
import { jsonReply } from "../http/json-reply.js";
import type { Metrics } from "./metrics.js";

/** The functions that the operators' routes call. */
export interface AdminSources {
  readonly readiness: () => { readonly ready: boolean };
  readonly statistics: () => unknown;
  readonly metrics: () => Metrics;
  readonly revoke: (revocation: Revocation) => Promise<unknown>;
}

/**
 * Maximum size of a revocation's body, in bytes: enough for a name of 255 bytes with every character escaped.
 */
const REVOCATION_MAX_BYTES = 4_096;

/** The routes of the port for operators. */
export function adminRoutes({
  readiness,
  statistics,
  metrics,
  revoke,
}: AdminSources): Readonly<Record<string, RouteHandler | Route>> {
  return {
    ...healthRoutes(readiness),
    "/stats": () => jsonReply(200, statistics()),
    "/metrics": async () => {
      const { contentType, text } = metrics();
      return { status: 200, headers: { "content-type": contentType, "cache-control": "no-store" }, body: await text() };
    },
    "POST /revoke": {
      maxBodyBytes: REVOCATION_MAX_BYTES,
      answer: async (request) => jsonReply(200, await revoke(revocationIn(request))),
    },
  };
}

function revocationIn({ headers, body }: RouteRequest): Revocation {
  // Browsers send a preflight before a cross-site request with this content type, and the listener rejects
  // preflights, so pages of other sites can't revoke anything.
  if (!/^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "")) {
    throw new CmError("operation-unknown", "The content type must be application/json.");
  }
  const revocation = parseRevocation(decodeUtf8(body) ?? "");
  if (revocation !== undefined) return revocation;
  throw new CmError("event-invalid", 'The body must be {"userId":"..."} or {"tokenId":"..."}.');
}
