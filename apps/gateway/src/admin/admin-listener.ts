import type { Node } from "@cm/node";
import type { OnError } from "@cm/protocol";
import type { ResolvedGatewayOptions } from "../gateway-options.js";
import { createHttpListener, type HttpListener } from "../http/http-listener.js";
import { type AdminSources, adminRoutes } from "./admin-routes.js";
import { createMetrics, type MetricSources, type Metrics } from "./metrics.js";

/** Creates the HTTP listener for operators, or returns `undefined` if `admin` is not configured. */
export function createAdminListener(
  config: ResolvedGatewayOptions,
  node: Node,
  sources: Pick<AdminSources, "revoke" | "statistics"> &
    Pick<MetricSources, "limits" | "requestsRefused" | "recorded" | "transport"> & { readonly onError: OnError },
): HttpListener | undefined {
  const { admin, logger } = config;
  if (admin === undefined) return undefined;
  const { statistics, transport, limits, requestsRefused, recorded, revoke, onError } = sources;
  let metrics: Metrics | undefined;
  const droppedLogLines = () => logger.droppedLines?.() ?? 0;
  const routes = adminRoutes({
    readiness: () => node.readiness(),
    statistics,
    // Create the metrics on the first scrape, because measuring the event loop needs a running timer.
    metrics: () => {
      metrics ??= createMetrics({
        ...{ node, transport, limits, requestsRefused, recorded, droppedLogLines },
        most: config,
      });
      return metrics;
    },
    revoke,
  });
  return createHttpListener({ ...admin, routes, onError });
}
