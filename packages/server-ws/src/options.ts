import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { optionInvalid } from "@cm/protocol/options";
import { type ResolvedTransportOptions, resolveTransportOptions, type TransportOptions } from "@cm/transport";

/** An HTTP server of Node.js, as created by `http.createServer`, Express, Fastify and Hono's Node adapter. */
export type NodeServer = HttpServer | HttpsServer;

/**
 * Options of {@link createWsServer}. The bytes queued for a connection are checked with every write, so they are
 * at most `maxBackpressureBytes` plus one write: one frame, or all messages that a room's window has held back.
 */
export interface WsServerOptions<U> extends Omit<TransportOptions<U>, "port"> {
  /** Port to listen on, 0 to 65,535; 0 picks a free port. Omit it if `server` is given. */
  readonly port?: number | undefined;
  /**
   * An existing HTTP server of the application whose upgrades at `path` this transport handles: the result of
   * `http.createServer`, `http.createServer(app)` for Express, `app.server` for Fastify. The application starts
   * and closes that server and handles its plain requests; `host`, `port` and `routes` must be omitted. With this
   * option, PROXY headers are not read. Default: this transport creates its own server.
   */
  readonly server?: NodeServer | undefined;
}

/** {@link WsServerOptions} with every default filled in and every value checked. */
export interface ResolvedWsServerOptions<U> extends ResolvedTransportOptions<U> {
  readonly server: NodeServer | undefined;
}

/** Fills in defaults and checks every value. Throws `options-invalid`; `details.field` names the option. */
export function resolveWsServerOptions<U>(options: WsServerOptions<U>): ResolvedWsServerOptions<U> {
  if (typeof options !== "object" || options === null) throw optionInvalid("options", "an object");
  const { server, ...others } = options;
  if (server === undefined) {
    if (options.port === undefined) {
      throw optionInvalid("port", "given (0 for any free port), or server, a Node.js HTTP server to attach to");
    }
    return { ...resolveTransportOptions(others as TransportOptions<U>), server };
  }
  const given: unknown = server;
  if (!(given instanceof HttpServer || given instanceof HttpsServer)) {
    throw optionInvalid("server", "a Node.js HTTP or HTTPS server");
  }
  for (const field of ["host", "port", "routes"] as const) {
    if (options[field] !== undefined)
      throw optionInvalid(field, "omitted if server is given, because that server's own setting applies");
  }
  return { ...resolveTransportOptions({ ...others, port: 0 }), server };
}
