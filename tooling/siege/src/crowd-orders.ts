/** Connections that a crowd process opens. */
export interface OpenOrder {
  readonly type: "open";
  readonly wsUrl: string;
  readonly count: number;
  /** The user of all of them, or the beginning of a name for each. */
  readonly user: string;
  readonly isOneUser: boolean;
  /** Rooms that each joins; `#` in a name stands for the connection's number. */
  readonly rooms: readonly string[];
  /** How many are on their way at a time. */
  readonly atOnce: number;
  /** Whether they stop reading once they are in their rooms. */
  readonly stalls: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Has every open connection send a frame again and again. */
export interface FloodOrder {
  readonly type: "flood";
  /** The frame's text. */
  readonly frame: string;
  readonly perSecond: number;
  readonly seconds: number;
}

/** Cuts every connection at once, without a word. */
export interface VanishOrder {
  readonly type: "vanish";
}

/** What the main process asks of a crowd process, each with one answer. */
export type CrowdOrder = OpenOrder | FloodOrder | VanishOrder;

/** What came of an order. */
export interface CrowdReport {
  /** Connections that are open. */
  readonly open: number;
  /** Frames received since the process began, answers among them. */
  readonly received: number;
  /** Error frames by code, and connections that ended by how they did. */
  readonly errors: Readonly<Record<string, number>>;
  readonly ends: Readonly<Record<string, number>>;
}
