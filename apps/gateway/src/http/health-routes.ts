import type { RouteHandler } from "@cm/transport";
import { jsonReply } from "./json-reply.js";

/** The routes by which a load balancer sees whether the gateway lives and is ready. Both ports serve them. */
export function healthRoutes(readiness: () => { readonly ready: boolean }): Readonly<Record<string, RouteHandler>> {
  return {
    "/healthz": () => jsonReply(200, { status: "ok" }),
    "/readyz": () => {
      const state = readiness();
      return jsonReply(state.ready ? 200 : 503, state);
    },
  };
}
