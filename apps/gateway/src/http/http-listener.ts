import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CmError, isCmError, type OnError, toCmError } from "@cm/protocol";
import {
  type HttpReply,
  type ListeningAddress,
  listenFailure,
  problem,
  problemOf,
  type RouteMethod,
} from "@cm/transport";
import { allowedAt, type HttpRoute, routesAt } from "./http-route.js";

/** Maximum time for receiving a request's head, and for receiving the whole request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Maximum number of open connections: enough for scrapers, load balancers and people. */
const CONNECTIONS_MAX = 256;

/** Options of {@link createHttpListener}. */
export interface HttpListenerOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly routes: readonly HttpRoute[];
  /** Receives the errors of routes that are no `CmError`, and failed accepts. */
  readonly onError: OnError;
}

/** Serves plain HTTP/1.0 and HTTP/1.1 on a separate port. */
export interface HttpListener {
  /** Rejects with `port-in-use`, or with `options-invalid` if the address can't be used. */
  start(): Promise<ListeningAddress>;
  /** Stops listening and closes the listener's connections. Idempotent; may be called before `start`. */
  close(): Promise<void>;
}

/** Creates a listener on Node's own HTTP server. Nothing happens before `start()`. */
export function createHttpListener({ host, port, routes, onError }: HttpListenerOptions): HttpListener {
  let server: Server | undefined;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/" } = request;
    const [path = "/", query = ""] = url.split(/\?(.*)/s);
    const here = routesAt(routes, path);
    const route = here.find((each) => each.method === (method === "HEAD" ? "GET" : method));
    const write = (reply: HttpReply): void => writeReply(response, reply, method === "HEAD");
    if (here.length === 0) return write(problem(404, "not-found", "No route has this path."));
    if (route === undefined) {
      const allow = allowedAt(here);
      return write(problem(405, "operation-unknown", `This path supports only: ${allow}.`, { allow }));
    }
    try {
      const body = await readBody(request, route.maxBodyBytes ?? 0);
      const headers = Object.fromEntries(
        Object.entries(request.headersDistinct).map(([name, values = []]) => [name, values.join(", ")]),
      );
      const remoteAddress = request.socket.remoteAddress ?? "";
      // The method was found in the route table, which contains only these methods.
      write(await route.answer({ method: method as RouteMethod, path, query, headers, remoteAddress, body }));
    } catch (cause) {
      if (response.headersSent || response.destroyed) return;
      const error = isCmError(cause)
        ? cause
        : toCmError(cause, "internal", `The route ${route.method} ${path} failed.`);
      if (!isCmError(cause)) onError(error, { stage: "handler" });
      write(problemOf(error));
    }
  };
  return {
    start: () =>
      new Promise((resolve, reject) => {
        const listening = createServer(
          {
            requestTimeout: REQUEST_TIMEOUT_MS,
            headersTimeout: REQUEST_TIMEOUT_MS,
            connectionsCheckingInterval: 1_000,
          },
          (request, response) => void answer(request, response),
        );
        server = listening;
        listening.maxConnections = CONNECTIONS_MAX;
        listening.on("error", (cause: NodeJS.ErrnoException) => {
          if (!listening.listening) return reject(listenFailure({ host, port }, cause.code));
          // A failed accept affects only that client, not the process.
          const error = new CmError("unavailable", "The server can't accept connections at the moment.", { cause });
          onError(error, { stage: "listening" });
        });
        listening.listen({ host, port, exclusive: true }, () => {
          // The address of a listening TCP server is always an object with a port.
          resolve({ host, port: (listening.address() as AddressInfo).port });
        });
      }),
    close: () =>
      new Promise((resolve) => {
        if (server === undefined) return resolve();
        // If the server is not listening, `close` passes an error to the callback, which can be ignored.
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new CmError("payload-too-large", `The body is larger than ${maxBytes} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Do not destroy the request if the body is too large: that would close the socket before the response is
  // sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function writeReply(response: ServerResponse, { status, headers, body = "" }: HttpReply, isHead: boolean): void {
  response.writeHead(status, {
    "x-content-type-options": "nosniff",
    ...headers,
    "content-length": Buffer.byteLength(body),
    // Close the connection: the rest of a refused request is not read.
    ...(status >= 400 ? { connection: "close" } : {}),
  });
  response.end(isHead ? undefined : body);
}
