import { CmError, isCmError, type OnError } from "@cm/protocol";
import { isThenable } from "@cm/protocol/options";
import { type HttpReply, problem, problemOf, replyFault, type WriteOptions } from "./http-reply.js";
import type { RequestHead } from "./request-head.js";
import type { RouteMethod, RouteTable } from "./route-table.js";

/** The response to an HTTP request, and access to the request's body. */
export interface HttpExchange {
  /** Writes the reply, unless the client has disconnected. */
  write(reply: HttpReply, options?: WriteOptions): void;
  /**
   * Calls `take` with each chunk of the body, which is only valid during that call. `read` must be called in the
   * turn in which the request's head arrived.
   */
  read(take: (chunk: Uint8Array, isLast: boolean) => void): void;
}

const NO_BODY = new Uint8Array(0);

/** Serves plain HTTP from a fixed table of methods and paths. */
export class RouteDispatcher {
  readonly #routes: RouteTable;
  readonly #onError: OnError;

  constructor(routes: RouteTable, onError: OnError) {
    this.#routes = routes;
    this.#onError = onError;
  }

  /**
   * Handles a request that passed the first checks. Responds before it returns, or later unless the client
   * disconnects.
   */
  handle(exchange: HttpExchange, { facts, method }: RequestHead): void {
    const here = this.#routes.get(facts.path);
    if (here === undefined) {
      exchange.write(problem(404, "not-found", "No route has this path."), { closeConnection: true });
      return;
    }
    const isHead = method === "HEAD";
    const route = here.get(isHead ? "GET" : method);
    if (route === undefined) {
      const allow = [...here.keys()].flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each])).join(", ");
      const reply = problem(405, "operation-unknown", `This path supports only: ${allow}.`, { Allow: allow });
      exchange.write(reply, { closeConnection: true });
      return;
    }
    const name = `${isHead ? "GET" : method} ${facts.path}`;
    const write = (reply: HttpReply): void => exchange.write(this.#checked(reply, name), { headOnly: isHead });
    const fail = (cause: unknown): void => write(this.#failure(cause, name));
    const answer = (body: Uint8Array): void => {
      try {
        // The method was found in the table, which contains only these methods.
        const reply = route.answer({ ...facts, method: method as RouteMethod, body });
        if (isThenable(reply)) Promise.resolve(reply).then(write).catch(fail);
        else write(reply);
      } catch (cause) {
        fail(cause);
      }
    };
    if (isHead || method === "GET") {
      answer(NO_BODY);
      return;
    }
    readBody(exchange, Number(facts.headers["content-length"] ?? 0), route.maxBodyBytes, answer);
  }

  #checked(reply: HttpReply, name: string): HttpReply {
    const fault = replyFault(reply);
    return fault === undefined ? reply : this.#failure(new TypeError(`A route's reply can't be sent: ${fault}.`), name);
  }

  #failure(cause: unknown, name: string): HttpReply {
    const error = isCmError(cause)
      ? cause
      : new CmError("internal", `The route ${name} failed.`, { cause, details: { route: name } });
    const reply = problemOf(error);
    if (reply.status === 500) this.#onError(error, { stage: "handler" });
    return reply;
  }
}

/** Calls `whole` with the whole body, or refuses the request if the declared or actual length is too large. */
function readBody(
  exchange: HttpExchange,
  declaredBytes: number,
  maxBytes: number,
  whole: (body: Uint8Array) => void,
): void {
  const refuse = (): void => {
    const error = new CmError("payload-too-large", `The body is larger than ${maxBytes} bytes.`);
    exchange.write(problemOf(error), { closeConnection: true });
  };
  if (declaredBytes > maxBytes) {
    refuse();
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  exchange.read((chunk, isLast) => {
    if (bytes > maxBytes) return;
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      chunks.length = 0;
      refuse();
      return;
    }
    // Copy the chunk: it is only valid during the call.
    chunks.push(Buffer.from(chunk));
    if (isLast) whole(Buffer.concat(chunks));
  });
}
