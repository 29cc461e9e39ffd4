/** Order to open connections. */
export interface OpenOrder {
  readonly type: "open";
  readonly wsUrl: string;
  readonly count: number;
  /** The user of all connections, or the prefix of a user name for each. */
  readonly user: string;
  readonly isOneUser: boolean;
  /** Rooms that each connection joins; `#` in a name is replaced by the connection's number. */
  readonly rooms: readonly string[];
  /** Number of connections opened concurrently. */
  readonly atOnce: number;
  /** Whether the connections stop reading once they have joined their rooms. */
  readonly stalls: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Order for every open connection to send a frame repeatedly. */
export interface FloodOrder {
  readonly type: "flood";
  /** The text of the frame. */
  readonly frame: string;
  /** Whether the frame is a WebSocket ping, whose text is at most 125 bytes. Default: a text frame. */
  readonly isPing?: boolean;
  readonly perSecond: number;
  readonly seconds: number;
}

/** Order to cut every connection at once, without a close frame. */
export interface VanishOrder {
  readonly type: "vanish";
}

/** The orders of the main process to a crowd process; each gets one response. */
export type CrowdOrder = OpenOrder | FloodOrder | VanishOrder;

/** The response to an order. */
export interface CrowdReport {
  /** Number of open connections. */
  readonly open: number;
  /** Number of frames received since the process started, including responses. */
  readonly received: number;
  /** Number of error frames by code, and of ended connections by their reason. */
  readonly errors: Readonly<Record<string, number>>;
  readonly ends: Readonly<Record<string, number>>;
}
