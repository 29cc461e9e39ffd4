import type { HttpResponse } from "uWebSockets.js";
import { CmError, isCmError, type OnError, toCmError } from "@cm/protocol";
import { type HttpReply, problem, problemOf, replyFault, writeReply } from "./http-reply.js";
import type { CopiedRequest } from "./http-request.js";
import type { RouteMethod, RouteTable } from "./options.js";

const NO_BODY = new Uint8Array(0);

/** Answers plain HTTP by a fixed table of methods and paths. */
export class HttpRoutes {
  readonly #routes: RouteTable;
  readonly #onError: OnError;

  constructor(routes: RouteTable, onError: OnError) {
    this.#routes = routes;
    this.#onError = onError;
  }

  /** A request that passed the first checks. Answers now, or later unless the client goes away first. */
  handle(res: HttpResponse, { facts, method }: CopiedRequest): void {
    const here = this.#routes.get(facts.path);
    if (here === undefined) {
      writeReply(res, problem(404, "not-found", "Nothing is served here."), { closeConnection: true });
      return;
    }
    const isHead = method === "HEAD";
    const route = here.get(isHead ? "GET" : method);
    if (route === undefined) {
      const allow = [...here.keys()].flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each])).join(", ");
      const reply = problem(405, "operation-unknown", `What is served here: ${allow}.`, { Allow: allow });
      writeReply(res, reply, { closeConnection: true });
      return;
    }
    let open = true;
    // Without it, returning unanswered ends the process.
    res.onAborted(() => {
      open = false;
    });
    const write = (reply: HttpReply): void => {
      if (open) writeReply(res, this.#checked(reply), { headOnly: isHead });
    };
    const fail = (cause: unknown): void => write(this.#failure(cause));
    const answer = (body: Uint8Array): void => {
      try {
        // Looked up in the table, which has no other methods.
        const reply = route.answer({ ...facts, method: method as RouteMethod, body });
        if (reply instanceof Promise) reply.then(write).catch(fail);
        else write(reply);
      } catch (cause) {
        fail(cause);
      }
    };
    if (isHead || method === "GET") {
      answer(NO_BODY);
      return;
    }
    readBody(res, Number(facts.headers["content-length"] ?? 0), route.maxBodyBytes, answer, () => {
      if (open) writeReply(res, tooLarge(route.maxBodyBytes), { closeConnection: true });
      open = false;
    });
  }

  #checked(reply: HttpReply): HttpReply {
    const fault = replyFault(reply);
    return fault === undefined ? reply : this.#failure(new TypeError(`A route's reply can't be sent: ${fault}.`));
  }

  #failure(cause: unknown): HttpReply {
    const error = isCmError(cause) ? cause : toCmError(cause, "internal", "A route failed.");
    const reply = problemOf(error);
    if (reply.status === 500) this.#onError(error, { stage: "handler" });
    return reply;
  }
}

function tooLarge(maxBytes: number): HttpReply {
  return problemOf(new CmError("payload-too-large", `The body is over ${maxBytes} bytes.`));
}

/** Hands over the whole body, or says once that it is, or says of itself that it is, too large. */
function readBody(
  res: HttpResponse,
  declaredBytes: number,
  maxBytes: number,
  whole: (body: Uint8Array) => void,
  refuse: () => void,
): void {
  if (declaredBytes > maxBytes) {
    refuse();
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  res.onData((chunk, isLast) => {
    if (bytes > maxBytes) return;
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      chunks.length = 0;
      refuse();
      return;
    }
    // A copy: the native memory dies with the call.
    chunks.push(Buffer.from(Buffer.from(chunk)));
    if (isLast) whole(Buffer.concat(chunks));
  });
}
