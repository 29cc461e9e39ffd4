import type { RequestFacts } from "../http/request-head.js";

/** A WebSocket upgrade request that passed the checks of origin, subprotocol and capacity. */
export interface UpgradeRequest extends RequestFacts {
  /** The subprotocol that the connection will speak. */
  readonly subprotocol: string;
  /** All subprotocols that the client offered, in its order. */
  readonly offeredSubprotocols: readonly string[];
}

/** Whose connection it is. */
export interface Authentication<U> {
  /** A name in the sense of `parseName`. */
  readonly userId: string;
  /** Kept with the connection as {@link TransportConnection.data}. */
  readonly data: U;
}
