import type { HttpReply, RouteHandler, RouteMethod } from "@cm/transport";

/** One entry of a route table. */
export interface HttpRoute {
  /** `GET` also serves HEAD. */
  readonly method: Exclude<RouteMethod, "HEAD">;
  /** An exact path. */
  readonly path: string;
  /** Maximum size of the body, in bytes; a larger body is refused with 413. Default 0. */
  readonly maxBodyBytes?: number;
  readonly answer: RouteHandler;
}

/** The entries of a route table with this path. */
export function routesAt(table: readonly HttpRoute[], path: string): readonly HttpRoute[] {
  return table.filter((route) => route.path === path);
}

/** The `Allow` header for these routes. */
export function allowedAt(routes: readonly HttpRoute[]): string {
  return routes.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
}

/** A JSON response that is not cached. */
export function jsonReply(status: number, body: unknown): HttpReply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    body: JSON.stringify(body),
  };
}
