import type { HttpRequest, HttpResponse, us_socket_context_t } from "uWebSockets.js";
import type { Admissions, PendingUpgrade, TrustedProxies } from "@cm/transport";
import { NativeConnection, type NativeSocket, type SocketData } from "../connections/native-connection.js";
import type { NativeLimit } from "../connections/turn-frames.js";
import type { RoomLanes } from "../rooms/room-lanes.js";
import { copyRequest, writeReply } from "./native-request.js";

/** What upgrades need of the server. */
export interface UpgradeSurroundings<U> {
  readonly admissions: Admissions<U>;
  readonly limit: NativeLimit;
  readonly trustedProxies: TrustedProxies;
  readonly lanes: RoomLanes;
  /** Takes over a WebSocket whose upgrade is through. */
  opened(connection: NativeConnection<U>, socket: NativeSocket<U>): void;
}

/**
 * Turns admitted upgrade requests into native WebSockets.
 *
 * An upgrade after a wait meets two faults of the native layer. (1) While it reads a
 * request, it takes any upgrade for that request's; a promise may settle right then. So
 * the admission waits for its own turn of the event loop. (2) Its `cork` looks at the HTTP
 * response once more after the upgrade, though the WebSocket lies in that memory by
 * then; where the bytes there were taken for something else in between, it closes the
 * fresh socket (uWebSockets #1928, mended by #1929 in July 2026). So nothing happens in
 * between: the open event only notes the socket, and all else follows after the cork.
 * (Without cork, the answer leaves in some thirty writes instead of one.)
 */
export class Upgrades<U> {
  readonly #surroundings: UpgradeSurroundings<U>;
  #arrived: NativeSocket<U> | undefined;
  #lost = 0;

  constructor(surroundings: UpgradeSurroundings<U>) {
    this.#surroundings = surroundings;
    // Compiled now, not while the first upgrade is in its delicate moment.
    this.arrive(undefined);
  }

  /** WebSockets that the native layer closed within their upgrade; see the class comment. */
  get lost(): number {
    return this.#lost;
  }

  /** The native open event, which comes within `upgrade`. */
  readonly arrive = (socket: NativeSocket<U> | undefined): void => {
    this.#arrived = socket;
  };

  /** Whether the close event is for a WebSocket that no handler has heard of yet. */
  depart(socket: NativeSocket<U>): boolean {
    if (this.#arrived !== socket) return false;
    this.#arrived = undefined;
    this.#lost += 1;
    return true;
  }

  /** The native upgrade event. */
  handle(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const { admissions, limit, lanes, trustedProxies } = this.#surroundings;
    const head = copyRequest(res, req, trustedProxies);
    let pending: PendingUpgrade | undefined;
    // Without it, returning unanswered ends the process.
    res.onAborted(() => pending?.abandon());
    pending = admissions.handle(head, {
      refuse: (reply) => writeReply(res, reply, { closeConnection: true }),
      accept: (connectionId, authentication, request) => {
        const connection = new NativeConnection(connectionId, authentication, request.remoteAddress, limit, lanes);
        const data: SocketData<U> = { connection };
        const key = request.headers["sec-websocket-key"] ?? "";
        // The open event comes within. No extension is spoken, compression least of all.
        res.cork(() => res.upgrade(data, key, request.subprotocol, "", context));
        const socket = this.#arrived;
        this.#arrived = undefined;
        if (socket !== undefined) this.#surroundings.opened(connection, socket);
      },
    });
  }
}
