import { callable, fixedPath, invalid, whole } from "../options/option-values.js";
import type { HttpReply } from "./http-reply.js";
import type { RequestFacts } from "./request-head.js";

/** The methods of routes. A GET route also serves HEAD. */
export type RouteMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A request for a route of the option `routes`, with its whole body. */
export interface RouteRequest extends RequestFacts {
  /** The method of the request. */
  readonly method: RouteMethod;
  /** At most the route's `maxBodyBytes`; empty for GET and HEAD. */
  readonly body: Uint8Array;
}

/**
 * Handles the requests for one path. A `CmError` that it throws becomes a problem document with the error's
 * code, such as 404 for `not-found`; any other error becomes a 500 without details and goes to `onError`.
 */
export type RouteHandler = (request: RouteRequest) => HttpReply | Promise<HttpReply>;

/** A route whose handler takes a body. */
export interface Route {
  /** Maximum size of the body, in bytes; a larger one is refused with 413. 0 to 16 MiB. */
  readonly maxBodyBytes: number;
  /** Handles a request. */
  readonly answer: RouteHandler;
}

/** Routes by path, then by method. */
export type RouteTable = ReadonlyMap<string, ReadonlyMap<string, Route>>;

/** Maximum of `maxBodyBytes`. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const METHODS: readonly string[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Checks the value of the option `routes`; `path` is the path of the WebSockets. Throws `options-invalid`. */
export function routeTableOf(value: unknown, path: string): RouteTable {
  if (typeof value !== "object" || value === null) throw invalid("routes", "must be an object");
  const table = new Map<string, Map<string, Route>>();
  for (const [key, answer] of Object.entries(value)) {
    const [, method = "GET", route] = /^(?:([A-Z]+) )?(.*)$/s.exec(key) ?? [];
    if (!METHODS.includes(method)) throw invalid("routes", `must be for one of ${METHODS.join(", ")}`);
    fixedPath("routes", route);
    if (route === path) throw invalid("routes", "must leave the WebSocket path alone");
    const here = table.get(String(route)) ?? new Map<string, Route>();
    here.set(method, routeOf(`routes["${key}"]`, answer));
    table.set(String(route), here);
  }
  return table;
}

function routeOf(field: string, value: unknown): Route {
  if (typeof value !== "object" || value === null) {
    // `callable` checks the type.
    return { maxBodyBytes: 0, answer: callable(field, value as RouteHandler) };
  }
  const { maxBodyBytes, answer } = value as Partial<Route>; // Both are checked below.
  return {
    maxBodyBytes: whole(`${field}.maxBodyBytes`, maxBodyBytes, 0, MAX_BODY_BYTES),
    answer: callable(`${field}.answer`, answer as RouteHandler),
  };
}
