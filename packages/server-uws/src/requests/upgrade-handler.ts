import type { HttpRequest, HttpResponse, us_socket_context_t } from "uWebSockets.js";
import type { PendingUpgrade, TrustedProxies, UpgradeAdmission } from "@cm/transport";
import { NativeConnection, type NativeSocket, type SocketData } from "../connections/native-connection.js";
import type { NativeLimit } from "../connections/turn-frames.js";
import type { RoomLanes } from "../rooms/room-lanes.js";
import { copyRequest, writeReply } from "./native-request.js";

/** The parts of the server that upgrades need. */
export interface UpgradeSurroundings<U> {
  readonly admissions: UpgradeAdmission<U>;
  readonly limit: NativeLimit;
  readonly trustedProxies: TrustedProxies;
  readonly lanes: RoomLanes<NativeConnection<U>>;
  /** Takes over a WebSocket after its upgrade. */
  opened(connection: NativeConnection<U>, socket: NativeSocket<U>): void;
}

/**
 * Turns admitted upgrade requests into native WebSockets.
 *
 * An upgrade that had to wait is exposed to two bugs of the native layer. (1) While the layer reads a request,
 * it attributes any upgrade to that request, and a promise may settle at that time. Therefore the admission
 * completes the upgrade in a later turn. (2) The layer's `cork` reads the HTTP response again after the upgrade,
 * even though the WebSocket occupies that memory by then. If the bytes have been changed since the upgrade, the
 * layer closes the new socket (uWebSockets #1928, fixed by #1929 in July 2026). Therefore nothing is done between
 * the upgrade and the end of the cork: the open event only stores the socket, and everything else follows after
 * the cork. The cork is needed, because without it the response takes about thirty writes instead of one.
 */
export class Upgrades<U> {
  readonly #surroundings: UpgradeSurroundings<U>;
  #arrived: NativeSocket<U> | undefined;
  #lost = 0;

  constructor(surroundings: UpgradeSurroundings<U>) {
    this.#surroundings = surroundings;
    // Call the function once now, so that Node.js does not compile it between the first upgrade and the end of its
    // cork.
    this.arrive(undefined);
  }

  /** Number of WebSockets that the native layer closed during their upgrade; see the class comment. */
  get lost(): number {
    return this.#lost;
  }

  /** Handles the native open event, which is emitted within `upgrade`. */
  readonly arrive = (socket: NativeSocket<U> | undefined): void => {
    this.#arrived = socket;
  };

  /** Returns whether a closed WebSocket had not been passed to `opened` yet. Counts such a WebSocket as lost. */
  depart(socket: NativeSocket<U>): boolean {
    if (this.#arrived !== socket) return false;
    this.#arrived = undefined;
    this.#lost += 1;
    return true;
  }

  /** Handles the native upgrade event. */
  handle(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const { admissions, limit, lanes, trustedProxies } = this.#surroundings;
    const head = copyRequest(res, req, trustedProxies);
    let pending: PendingUpgrade | undefined;
    // Set an abort handler: without one, the native layer aborts the process if this event handler returns before
    // it has responded.
    res.onAborted(() => pending?.abandon());
    pending = admissions.handle(head, {
      refuse: (reply) => writeReply(res, reply, { closeConnection: true }),
      accept: (connectionId, authentication, request) => {
        const connection = new NativeConnection(connectionId, authentication, request.remoteAddress, limit, lanes);
        const data: SocketData<U> = { connection };
        const key = request.headers["sec-websocket-key"] ?? "";
        // The open event is emitted within the call. No extensions are negotiated, in particular no
        // compression.
        res.cork(() => res.upgrade(data, key, request.subprotocol, "", context));
        const socket = this.#arrived;
        this.#arrived = undefined;
        if (socket !== undefined) this.#surroundings.opened(connection, socket);
      },
    });
  }
}
