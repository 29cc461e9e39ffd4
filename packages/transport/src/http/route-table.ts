import { optionInvalid, requireWholeNumber } from "@cm/protocol/options";
import { fixedPath, knownMembers } from "../options/option-checks.js";
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

/** A handler with its own limit for the body. */
export interface Route {
  /** Maximum size of the body, in bytes; a larger body is rejected with 413. 0 to 16 MiB; default 64 KiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Handles a request. */
  readonly answer: RouteHandler;
}

/** Routes by path, then by method. */
export type RouteTable = ReadonlyMap<string, ReadonlyMap<string, CheckedRoute>>;

type CheckedRoute = Route & { readonly maxBodyBytes: number };

/** Default of `maxBodyBytes`: enough for a form or a JSON record. */
const DEFAULT_BODY_BYTES = 64 * 1024;

/** Maximum of `maxBodyBytes`. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const METHODS: readonly string[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * Converts the option `routes` to a table. `path` is the path of the WebSockets, if the server has them. Throws
 * `options-invalid`.
 */
export function routeTableOf(value: unknown, path?: string): RouteTable {
  if (typeof value !== "object" || value === null) throw optionInvalid("routes", "an object");
  const table = new Map<string, Map<string, CheckedRoute>>();
  for (const [key, answer] of Object.entries(value)) {
    const field = `routes["${key}"]`;
    const [, method = "GET", route = key] = /^(?:([A-Za-z]+) )?(.*)$/s.exec(key) ?? [];
    if (!METHODS.includes(method)) throw optionInvalid(field, `for one of ${METHODS.join(", ")}`);
    fixedPath(field, route);
    if (route === path) throw optionInvalid(field, "different from the WebSocket path");
    const here = table.get(route) ?? new Map<string, CheckedRoute>();
    if (here.has(method)) throw optionInvalid(field, `given once, not also as ${JSON.stringify(route)}`);
    here.set(method, routeOf(field, answer));
    table.set(route, here);
  }
  return table;
}

function routeOf(field: string, value: unknown): CheckedRoute {
  // The types of `maxBodyBytes` and `answer` are checked below.
  const route: Partial<Route> = typeof value === "function" ? { answer: value as RouteHandler } : Object(value);
  const { maxBodyBytes, answer } = route;
  if (typeof answer !== "function") {
    throw optionInvalid(field, "a function that returns a reply, or { maxBodyBytes, answer } with such a function");
  }
  knownMembers(field, route, ["maxBodyBytes", "answer"]);
  return {
    maxBodyBytes: requireWholeNumber(
      `${field}.maxBodyBytes`,
      maxBodyBytes ?? DEFAULT_BODY_BYTES,
      { min: 0, max: MAX_BODY_BYTES },
      "bytes",
    ),
    answer,
  };
}
