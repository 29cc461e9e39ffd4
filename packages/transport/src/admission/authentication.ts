import type { RequestFacts } from "../http/request-head.js";

/** A WebSocket upgrade request with an acceptable origin and subprotocol, for which the server has capacity. */
export interface UpgradeRequest extends RequestFacts {
  /** The subprotocol that the connection will use. */
  readonly subprotocol: string;
  /** All subprotocols that the client offered, in the client's order. */
  readonly offeredSubprotocols: readonly string[];
}

/** The user that a connection belongs to. */
export interface Authentication<U> {
  /** The user's id: a name that is valid for `parseName`. */
  readonly userId: string;
  /** Kept with the connection as {@link TransportConnection.data}. */
  readonly data: U;
}
