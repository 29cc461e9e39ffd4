import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CmError, type OnError } from "@cm/protocol";
import {
  copyNodeRequest,
  type ListeningAddress,
  listenFailure,
  nodeExchange,
  type Route,
  RouteDispatcher,
  type RouteHandler,
  routeTableOf,
  TrustedProxies,
} from "@cm/transport";

/** Maximum time for receiving a request's head, and for receiving the whole request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Maximum number of open connections: enough for scrapers, load balancers and people. */
const CONNECTIONS_MAX = 256;

const NO_PROXIES = new TrustedProxies([]);

/** Options of {@link createHttpListener}. */
export interface HttpListenerOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Handlers by method and path, as in the options of a transport. */
  readonly routes: Readonly<Record<string, RouteHandler | Route>>;
  /** Receives the errors of routes that become a 500, and failed accepts. */
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
  const dispatcher = new RouteDispatcher(routeTableOf(routes), onError);
  const answer = (request: IncomingMessage, response: ServerResponse): void =>
    dispatcher.handle(
      nodeExchange(response),
      copyNodeRequest(request, NO_PROXIES, () => ""),
    );
  let server: Server | undefined;
  return {
    start: () =>
      new Promise((resolve, reject) => {
        const listening = createServer(
          {
            requestTimeout: REQUEST_TIMEOUT_MS,
            headersTimeout: REQUEST_TIMEOUT_MS,
            connectionsCheckingInterval: 1_000,
          },
          answer,
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
