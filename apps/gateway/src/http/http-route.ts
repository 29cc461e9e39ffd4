import type { HttpReply, RouteHandler, RouteMethod } from "@cm/transport";

/** One line of a table of routes. */
export interface HttpRoute {
  /** `GET` answers HEAD as well. */
  readonly method: Exclude<RouteMethod, "HEAD">;
  /** An exact path. */
  readonly path: string;
  /** The largest body, in bytes; a larger one is refused with 413. Default 0. */
  readonly maxBodyBytes?: number;
  readonly answer: RouteHandler;
}

/** The lines of a table that are about one path. */
export function routesAt(table: readonly HttpRoute[], path: string): readonly HttpRoute[] {
  return table.filter((route) => route.path === path);
}

/** The `Allow` header for a path. */
export function allowedAt(routes: readonly HttpRoute[]): string {
  return routes.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
}

/** An answer in JSON that no cache keeps. */
export function jsonReply(status: number, body: unknown): HttpReply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    body: JSON.stringify(body),
  };
}
