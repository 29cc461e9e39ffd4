import type { Node } from "@cm/node";
import type { HttpReply, Route, RouteHandler } from "@cm/transport";
import type { ApplicationCalls } from "../session/application-calls.js";
import { healthRoutes } from "./health-routes.js";
import { jsonReply } from "./json-reply.js";
import { PAGE_PATHS, readPage, type StaticFile } from "./static-files.js";

/** Sources of the responses to a gateway's routes. */
export interface RouteSources {
  readonly node: Pick<Node, "readiness">;
  readonly statistics: () => unknown;
  readonly hasPage: boolean;
  /** Whether `/stats` is served on the clients' port. It names servers and is meant for operators. */
  readonly hasStats: boolean;
  /** The application's own routes. */
  readonly more: Readonly<Record<string, RouteHandler | Route>>;
  /** Calls the handlers of the application's routes, within limits of time and concurrency. */
  readonly calls: Pick<ApplicationCalls, "run">;
}

/** A gateway's routes. `load` reads the files that they serve and must be called before the first request. */
export function gatewayRoutes({ node, statistics, hasPage, hasStats, more, calls }: RouteSources): {
  readonly table: Readonly<Record<string, RouteHandler | Route>>;
  readonly load: () => Promise<void>;
} {
  let files: readonly StaticFile[] = [];
  const page = (path: string): HttpReply => {
    const file = files.find((each) => each.path === path);
    return file === undefined ? { status: 404 } : { status: 200, headers: file.headers, body: file.body };
  };
  const table: Record<string, RouteHandler | Route> = {
    ...(hasPage ? Object.fromEntries(PAGE_PATHS.map((path) => [path, () => page(path)])) : {}),
    ...Object.fromEntries(Object.entries(more).map(([key, route]) => [key, withinBounds(key, route, calls)])),
    ...healthRoutes(() => node.readiness()),
    ...(hasStats ? { "/stats": () => jsonReply(200, statistics()) } : {}),
  };
  return {
    table,
    load: async () => {
      if (hasPage) files = await readPage();
    },
  };
}

/**
 * Limits the duration and the concurrency of an application's route. Invalid routes are returned unchanged; the
 * transport rejects them.
 */
function withinBounds(key: string, route: RouteHandler | Route, calls: RouteSources["calls"]): RouteHandler | Route {
  const name = key.includes(" ") ? key : `GET ${key}`;
  const bounded =
    (handler: RouteHandler): RouteHandler =>
    (request) =>
      calls.run(name, () => handler(request));
  if (typeof route === "function") return bounded(route);
  return typeof route?.answer === "function" ? { ...route, answer: bounded(route.answer) } : route;
}
