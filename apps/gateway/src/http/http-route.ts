import type { HttpReply, RequestFacts } from "@cm/server-uws";

/** A request whose body was read. */
export interface HttpRequest extends RequestFacts {
  readonly method: HttpMethod;
  /** Empty where there is none; never more than the route's `maxBodyBytes`. */
  readonly body: Uint8Array;
}

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One line of a table of routes. */
export interface HttpRoute {
  /** `GET` answers HEAD as well. */
  readonly method: Exclude<HttpMethod, "HEAD">;
  /** An exact path. */
  readonly path: string;
  /** The largest body, in bytes; a larger one is refused with 413. Default 0. */
  readonly maxBodyBytes?: number;
  /** A `CmError` that it throws becomes a problem document under its code; anything else 500 without details. */
  answer(request: HttpRequest): HttpReply | Promise<HttpReply>;
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
