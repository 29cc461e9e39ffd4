import { type CmError, ERROR_CODES, type OnError, toCmError } from "@cm/protocol";
import { type HttpReply, jsonRefusal, replyFault, type WriteOptions } from "./http-reply.js";
import type { RouteHandler } from "./options.js";
import type { RequestHead } from "./request-head.js";

/** The open end of an HTTP request. */
export interface ReplyDoor {
  /** Writes the reply, unless the client went away meanwhile. */
  write(reply: HttpReply, options?: WriteOptions): void;
}

/** Answers plain HTTP: GET and HEAD on a fixed table of paths. */
export class HttpRoutes {
  readonly #routes: ReadonlyMap<string, RouteHandler>;
  readonly #onError: OnError;

  constructor(routes: ReadonlyMap<string, RouteHandler>, onError: OnError) {
    this.#routes = routes;
    this.#onError = onError;
  }

  /** A request that passed the first checks. Answers now, or later unless the client goes away first. */
  handle(door: ReplyDoor, { facts, method }: RequestHead): void {
    const answer = this.#routes.get(facts.path);
    if (answer === undefined) {
      door.write(jsonRefusal(404, "not-found", "Nothing is served here."), { closeConnection: true });
      return;
    }
    if (method !== "GET" && method !== "HEAD") {
      const reply = jsonRefusal(405, "operation-unknown", "Only GET and HEAD are served here.", { Allow: "GET, HEAD" });
      door.write(reply, { closeConnection: true });
      return;
    }
    const write = (reply: HttpReply): void => {
      door.write(this.#checked(reply), { headOnly: method === "HEAD" });
    };
    const fail = (cause: unknown): void => write(this.#failure(cause));
    try {
      const reply = answer({ ...facts, method });
      if (reply instanceof Promise) reply.then(write).catch(fail);
      else write(reply);
    } catch (cause) {
      fail(cause);
    }
  }

  #checked(reply: HttpReply): HttpReply {
    const fault = replyFault(reply);
    return fault === undefined ? reply : this.#failure(new TypeError(`A route's reply can't be sent: ${fault}.`));
  }

  #failure(cause: unknown): HttpReply {
    const error: CmError = toCmError(cause, "internal", "A route failed.");
    this.#onError(error, { stage: "handler" });
    return jsonRefusal(500, "internal", ERROR_CODES.internal.meaning);
  }
}
