import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { invalid, type ResolvedTransportOptions, resolveTransportOptions, type TransportOptions } from "@cm/transport";

/** An HTTP server of Node.js, as `http.createServer`, Express, Fastify and Hono's Node adapter give it. */
export type NodeServer = HttpServer | HttpsServer;

/**
 * What {@link createWsServer} takes. What waits on a connection is looked at with every write, so it
 * is at most `maxBackpressureBytes` and one frame, or what waited in a room's window.
 */
export interface WsServerOptions<U> extends Omit<TransportOptions<U>, "port"> {
  /** 0 to 65,535; 0 takes any free one. Left out where `server` is given. */
  readonly port?: number | undefined;
  /**
   * Take the upgrades of this server at `path`, beside what it serves otherwise: what `http.createServer`
   * returns, `http.createServer(app)` for Express, `app.server` for Fastify. It listens and is
   * closed where it was made; `host`, `port` and `routes` are left out, and plain requests are its
   * own. Default: a server of this transport's own.
   */
  readonly server?: NodeServer | undefined;
}

/** {@link WsServerOptions} with every default filled in and every value checked. */
export interface ResolvedWsServerOptions<U> extends ResolvedTransportOptions<U> {
  readonly server: NodeServer | undefined;
}

/** Fills in defaults and checks every value. Throws `options-invalid`; `details.field` names the option. */
export function resolveWsServerOptions<U>(options: WsServerOptions<U>): ResolvedWsServerOptions<U> {
  if (typeof options !== "object" || options === null) throw invalid("options", "must be an object");
  const { server, ...others } = options;
  if (server === undefined) {
    if (options.port === undefined) {
      throw invalid("port", "must be given (0 for any free one), or server, an HTTP server of Node.js to attach to");
    }
    return { ...resolveTransportOptions(others as TransportOptions<U>), server };
  }
  const given: unknown = server;
  if (!(given instanceof HttpServer || given instanceof HttpsServer)) {
    throw invalid("server", "must be an HTTP or HTTPS server of Node.js");
  }
  for (const field of ["host", "port", "routes"] as const) {
    if (options[field] !== undefined)
      throw invalid(field, "must be left out where a server is given: what that server has holds");
  }
  return { ...resolveTransportOptions({ ...others, port: 0 }), server };
}
